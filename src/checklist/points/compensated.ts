// Is everything undone that may have happened when the execution turns back? Judged on each path that was seen, in the
// order of its steps.
import { type DryStep, effectVerbs } from "../dry-context.ts";
import type { Finding } from "../report.ts";
import { type Answer, effectOf, effectsOf, found, listed, quoted, type Seen, undoes } from "./seen.ts";

export function compensated(seen: Seen): Answer {
  const steps = effectsOf(seen);
  if (steps.length === 0)
    return {
      status: "derived",
      evidence: ["it has no step that would have to be undone"],
      findings: [],
      needsAll: true,
    };
  const findings = oncePerPlace(seen.runs.flatMap((run) => faultsOf(seen, run)));
  const before = steps.filter((step) => !step.isBehindPivot);
  const undone = before.filter((step) => hasUndo(step));
  const final = before.filter((step) => irreversibleOf(step) !== undefined);
  const behind = steps.filter((step) => step.isBehindPivot);
  const { recorded } = seen;
  const evidence = [
    ...(undone.length > 0 ? [`undone: ${listed(undone)}`] : []),
    ...final.map((step) => `irreversible: ${quoted(step)}, ${irreversibleOf(step)}`),
    ...(behind.length > 0 ? [`behind the pivot: ${listed(behind)}`] : []),
    ...(seen.settings.onFailure === "park" ? ["a failure parks it for a person"] : []),
    ...(recorded !== null && recorded.undone.length > 0
      ? [`undone in recorded executions: ${recorded.undone.join(", ")}`]
      : []),
  ];
  return { status: "derived", evidence, findings, needsAll: true };
}

/** A function that does nothing undoes nothing. */
const hasUndo = ({ how }: DryStep): boolean => undoes(how.compensate ?? how.cancel);
const irreversibleOf = ({ how }: DryStep): string | undefined =>
  how.irreversible ?? (how.effect === "irreversible" ? "declared" : undefined);

/** What turns an execution back when it fails for good. `attempt` answers instead. */
const canFail = ({ verb }: DryStep): boolean => (effectVerbs.includes(verb) && verb !== "attempt") || verb === "child";

interface Fault {
  readonly step: DryStep;
  readonly finding: Finding;
}

function faultsOf(seen: Seen, run: readonly DryStep[]): readonly Fault[] {
  return run.flatMap((step, at) => {
    if (!effectVerbs.includes(step.verb)) return [];
    const later = run.slice(at + 1).find((other) => !other.isBehindPivot && canFail(other));
    const findings = step.isBehindPivot ? faultsBehind(step) : faultsBefore(seen, step, later);
    return findings.map((finding) => ({ step, finding }));
  });
}

function faultsBehind(step: DryStep): readonly Finding[] {
  if (step.verb === "tcc" || step.verb === "tcc-tx")
    return [
      found(
        "RESERVATION_AFTER_PIVOT",
        "error",
        step,
        `step ${quoted(step)} reserves behind the pivot, where nothing can be canceled any more; the engine refuses it`,
        "Reserve before `await ctx.pivot()`.",
      ),
    ];
  if (typeof step.how.compensate !== "function") return [];
  return [
    found(
      "COMPENSATION_AFTER_PIVOT",
      "error",
      step,
      `the compensation of step ${quoted(step)} is never called: behind the pivot an execution only goes forward`,
      "Move the step before `await ctx.pivot()`, or take its compensation away.",
    ),
  ];
}

function faultsBefore(seen: Seen, step: DryStep, later: DryStep | undefined): readonly Finding[] {
  const isNatural = effectOf(seen, step) === "natural";
  if (hasUndo(step)) return [];
  if (irreversibleOf(step) === undefined) {
    // A parked execution waits for a person; only cancel and timeout turn it back.
    const severity = seen.settings.onFailure === "park" || isNatural ? "warning" : "error";
    const lack = step.how.compensate === undefined && step.how.cancel === undefined ? "no" : "an empty";
    const when = later === undefined ? "it, a cancel or a timeout" : `step ${quoted(later)}`;
    return [
      found(
        "NO_COMPENSATION",
        severity,
        step,
        `step ${quoted(step)} has ${lack} compensation: when ${when} turns the execution back, what it did stays`,
        'Give it `compensate`, or say why there is none: `irreversible: "why"`; such a step belongs behind the pivot.',
      ),
    ];
  }
  if (later === undefined) return [];
  return [
    found(
      "IRREVERSIBLE_TOO_EARLY",
      isNatural ? "warning" : "error",
      step,
      `step ${quoted(step)} cannot be undone, and step ${quoted(later)} behind it can still fail`,
      'Move it behind `await ctx.pivot()`, after everything that can be refused. One that only reads declares `effect: "natural"`.',
    ),
  ];
}

/** A step in a loop has its faults once. */
function oncePerPlace(faults: readonly Fault[]): readonly Finding[] {
  const places = new Map<string, Finding>();
  for (const { step, finding } of faults) {
    const place = `${finding.code} ${step.site}`;
    if (!places.has(place)) places.set(place, finding);
  }
  return [...places.values()];
}
