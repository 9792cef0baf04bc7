// Can somebody find out afterwards what happened, and to what?
import { type Answer, effectsOf, found, type Seen } from "./seen.ts";

export function traceable(seen: Seen): Answer {
  const { key, attributes, settings, recorded } = seen;
  const count = effectsOf(seen).length;
  // A scan of a schedule has no input; its time tells which one it was.
  const isByTime = settings.triggers.length > 0 && attributes === "constant";
  const hasAttributes = attributes === "of the input" || isByTime;
  const hasKey = key.kind === "made" && key.isOfInput;
  const evidence = [
    count === 0 ? "its start and end are recorded" : "each step is recorded, with attempts, times and errors",
    ...(hasKey ? ["found by its key"] : []),
    ...(hasAttributes ? ["found by its attributes"] : []),
    ...(recorded === null ? [] : [`${recorded.executionCount} executions of it in the store`]),
  ];
  if (hasKey || hasAttributes) return { status: "derived", evidence, findings: [], needsAll: false };
  const lack = {
    none: "its executions have neither key nor attributes",
    made: "the key of its executions says nothing of the input",
    unstable: "the key of its executions is another each time",
    failed: "the key of its executions could not be made of an unknown input",
  }[key.kind];
  const finding = found(
    "NOT_FINDABLE",
    "warning",
    null,
    `${lack}: nobody finds the one of an order`,
    "Give it a `key`, or `attributes: (input) => ({ order: input.id })`.",
  );
  return { status: "unknown", evidence, findings: [finding], needsAll: false };
}
