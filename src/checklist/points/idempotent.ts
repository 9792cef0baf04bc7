// May each step be repeated, as it is after a failure or a crash?
import type { DryStep } from "../dry-context.ts";
import type { Finding } from "../report.ts";
import {
  type Answer,
  bodiesOf,
  effectOf,
  effectsOf,
  found,
  isRemote,
  listed,
  maxAttemptsOf,
  quoted,
  type Seen,
  seemsToCallOut,
  usesKey,
} from "./seen.ts";

export function idempotent(seen: Seen): Answer {
  const steps = effectsOf(seen);
  if (steps.length === 0) return withoutSteps(seen);
  const remote = steps.filter(isRemote);
  const local = steps.filter((step) => !isRemote(step));
  const findings = [
    ...seen.unstable.map(unstableName),
    ...twice(seen),
    ...local.filter((step) => bodiesOf(step).some(seemsToCallOut)).map(callInside),
    ...remote.flatMap((step) => faultsOf(seen, step)),
  ];
  const declared = remote.filter((step) => isDeclared(seen, step));
  const keyed = remote.filter((step) => !isDeclared(seen, step) && bodiesOf(step).some((body) => usesKey(body)));
  const evidence = [
    ...(local.length > 0 ? [`in one commit with the record of it: ${listed(local)}`] : []),
    ...(keyed.length > 0 ? [`making use of the step's key: ${listed(keyed)}`] : []),
    ...(declared.length > 0 ? [`declared: ${listed(declared)}`] : []),
  ];
  const status = findings.some(({ code }) => code === "KEY_USE_UNKNOWN" || code === "CALL_IN_TRANSACTION")
    ? "unknown"
    : declared.length === steps.length
      ? "declared"
      : "derived";
  return { status, evidence, findings, needsAll: true };
}

function withoutSteps({ job }: Seen): Answer {
  if (job.options.effect !== undefined && job.options.effect !== "irreversible")
    return {
      status: "declared",
      evidence: [`its effect is declared ${job.options.effect}`],
      findings: [],
      needsAll: false,
    };
  const whatToDo = "Put what it does into steps, or declare `effect` on the job.";
  const message = "no step of it was seen: whatever it does is done again when it is run again";
  return {
    status: "unknown",
    evidence: [],
    findings: [found("NO_STEPS", "warning", null, message, whatToDo)],
    needsAll: true,
  };
}

const isDeclared = (seen: Seen, step: DryStep): boolean => {
  const effect = effectOf(seen, step);
  return effect !== undefined && effect !== "irreversible";
};

function faultsOf(seen: Seen, step: DryStep): readonly Finding[] {
  return [...faultsOfAction(seen, step), ...faultsOfUndo(seen, step)];
}

function faultsOfAction(seen: Seen, step: DryStep): readonly Finding[] {
  const effect = effectOf(seen, step);
  const uses = bodiesOf(step).map(usesKey);
  const lacksKey = uses.includes(false);
  const advice =
    "Hand `key` on, such as in an Idempotency-Key header: `run: ({ key }) => …`. Or declare `effect` where a repeat does no harm.";
  if (effect === "natural" || effect === "recorded") return [];
  if (effect === "keyed")
    return lacksKey
      ? [
          found(
            "EFFECT_CONTRADICTED",
            "error",
            step,
            `step ${quoted(step)} is declared keyed, and takes no key`,
            advice,
          ),
        ]
      : [];
  if (lacksKey) {
    const attempts = maxAttemptsOf(seen, step);
    return attempts > 1
      ? [
          found(
            "RETRY_WITHOUT_KEY",
            "error",
            step,
            `step ${quoted(step)} is tried up to ${attempts} times, without a key by which the other side could know the repeat`,
            advice,
          ),
        ]
      : [
          found(
            "REPEAT_WITHOUT_KEY",
            "warning",
            step,
            `step ${quoted(step)} is repeated after a crash, without a key by which the other side could know it`,
            advice,
          ),
        ];
  }
  if (uses.every((one) => one === true)) return [];
  return [
    found(
      "KEY_USE_UNKNOWN",
      "warning",
      step,
      `whether step ${quoted(step)} hands its key on is not to be seen`,
      advice,
    ),
  ];
}

function faultsOfUndo(seen: Seen, step: DryStep): readonly Finding[] {
  const undo = step.how.compensate ?? step.how.cancel;
  if (usesKey(undo) !== false || effectOf(seen, step) === "natural") return [];
  return [
    found(
      "UNDO_WITHOUT_KEY",
      "warning",
      step,
      `the undoing of step ${quoted(step)} is tried again and again, without a key`,
      "Hand on `key`, and `actionKey` to say what is undone: `compensate: ({ key, actionKey }) => …`.",
    ),
  ];
}

function callInside(step: DryStep): Finding {
  return found(
    "CALL_IN_TRANSACTION",
    "warning",
    step,
    `the transaction of step ${quoted(step)} seems to call somebody else, who is called again when it is rolled back and repeated`,
    "Make the call a step of its own: `ctx.step`, with its key.",
  );
}

function unstableName([one, other]: readonly [string, string]): Finding {
  return found(
    "KEY_UNSTABLE",
    "error",
    null,
    `a step is ${JSON.stringify(one)} in one run and ${JSON.stringify(other)} at another time: its key is another after a crash, and the effect happens twice`,
    "Name steps by business data; take time and chance from `ctx.now` and `ctx.random()`.",
  );
}

/** One name in two places, or twice in a loop: the engine refuses it, but only when it gets there. */
function twice(seen: Seen): readonly Finding[] {
  const names = new Set<string>();
  for (const run of seen.runs)
    for (const [at, { text, verb }] of run.entries())
      if (verb !== "pivot" && run.findIndex((other) => other.text === text) < at) names.add(text);
  return [...names].map((text) =>
    found(
      "STEP_NAME_REUSED",
      "error",
      seen.steps.find((step) => step.text === text) ?? null,
      `step ${JSON.stringify(text)} is called twice in one execution`,
      'Give each use its own id: ctx.step(["take stock", line.code], …).',
    ),
  );
}
