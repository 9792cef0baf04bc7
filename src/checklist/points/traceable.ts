// Can somebody find out afterwards what happened, and to what?
import { type Answer, effectsOf, found, type Seen } from "./seen.ts";

export function traceable(seen: Seen): Answer {
  const { key, job, recorded } = seen;
  const count = effectsOf(seen).length;
  const hasName = key.kind !== "none" || job.options.attributes !== undefined;
  const evidence = [
    count === 0 ? "its start and end are recorded" : "each step is recorded, with attempts, times and errors",
    ...(key.kind === "none" ? [] : ["found by its key"]),
    ...(job.options.attributes === undefined ? [] : ["found by its attributes"]),
    ...(recorded === null ? [] : [`${recorded.executionCount} executions of it in the store`]),
  ];
  const findings = hasName
    ? []
    : [
        found(
          "NOT_FINDABLE",
          "warning",
          null,
          "its executions have neither key nor attributes: nobody finds the one of an order",
          "Give it a `key`, or `attributes: (input) => ({ order: input.id })`.",
        ),
      ];
  return { status: "derived", evidence, findings, needsAll: false };
}
