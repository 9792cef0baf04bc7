// What if two of them change the same thing at once?
import { type Answer, bodiesOf, effectsOf, found, guardsRow, listed, type Seen } from "./seen.ts";

export function concurrency(seen: Seen): Answer {
  const declared = seen.settings.concurrency;
  if (declared !== null) {
    const of = declared.key === undefined ? "the whole job" : "its concurrency key";
    return { status: "declared", evidence: [`${declared.strategy}, for ${of}`], findings: [], needsAll: false };
  }
  const steps = effectsOf(seen);
  if (steps.length === 0)
    return { status: "derived", evidence: ["it has no step that changes anything"], findings: [], needsAll: true };
  const guarded = steps.filter((step) => bodiesOf(step).some(guardsRow));
  const natural = steps.filter((step) => !guarded.includes(step) && step.how.effect === "natural");
  const open = steps.filter((step) => !guarded.includes(step) && !natural.includes(step));
  const evidence = [
    ...(seen.key.kind === "made" ? ["of one key at most one is unfinished"] : []),
    ...(guarded.length > 0 ? [`under a lock, version or state machine: ${listed(guarded)}`] : []),
    ...(natural.length > 0 ? [`declared natural: ${listed(natural)}`] : []),
  ];
  if (open.length === 0)
    return { status: guarded.length > 0 ? "derived" : "declared", evidence, findings: [], needsAll: true };
  const message = `executions of different keys may meet in ${listed(open)}, and nothing that was seen keeps them apart`;
  const whatToDo =
    'Give the job `concurrency: { strategy: "serial", key }`, lock or version the row, or say why it needs none: `checklist: { concurrency: "it only inserts" }`.';
  return {
    status: "unknown",
    evidence,
    findings: [found("CONCURRENCY_UNKNOWN", "warning", null, message, whatToDo)],
    needsAll: true,
  };
}
