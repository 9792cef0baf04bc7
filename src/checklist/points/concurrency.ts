// What if two of them change the same thing at once?
import { type Answer, bodiesOf, effectsOf, found, listed, type Seen, seemsToGuard } from "./seen.ts";

export function concurrency(seen: Seen): Answer {
  const declared = seen.settings.concurrency;
  if (declared !== null) {
    const of = declared.key === undefined ? "the whole job" : "its concurrency key";
    return { status: "declared", evidence: [`${declared.strategy}, for ${of}`], findings: [], needsAll: false };
  }
  const steps = effectsOf(seen);
  if (steps.length === 0)
    return { status: "derived", evidence: ["it has no step that changes anything"], findings: [], needsAll: true };
  const natural = steps.filter((step) => step.how.effect === "natural");
  const open = steps.filter((step) => !natural.includes(step));
  const guarded = open.filter((step) => bodiesOf(step).some(seemsToGuard));
  const evidence = [
    ...(seen.key.kind === "made" ? ["of one key at most one is unfinished"] : []),
    ...(natural.length > 0 ? [`declared natural: ${listed(natural)}`] : []),
    ...(guarded.length > 0 ? [`a hint: ${listed(guarded)} may lock or version its row`] : []),
  ];
  if (open.length === 0) return { status: "declared", evidence, findings: [], needsAll: true };
  const message = `executions of different keys may meet in ${listed(open)}, and nothing that is certain keeps them apart`;
  const whatToDo =
    guarded.length === open.length
      ? 'If the row is locked or versioned, say it: `checklist: { concurrency: "the order\'s version" }`; or give the job `concurrency: { strategy: "serial", key }`.'
      : 'Give the job `concurrency: { strategy: "serial", key }`, or say what keeps them apart, or why it needs nothing: `checklist: { concurrency: "it only inserts" }`.';
  return {
    status: "unknown",
    evidence,
    findings: [found("CONCURRENCY_UNKNOWN", "warning", null, message, whatToDo)],
    needsAll: true,
  };
}
