// Are changes of state legal ones?
import {
  type Answer,
  bodiesOf,
  effectsOf,
  found,
  isRemote,
  listed,
  movesByRule,
  quoted,
  type Seen,
  setsStateByHand,
} from "./seen.ts";

export function transitions(seen: Seen): Answer {
  const local = effectsOf(seen).filter((step) => !isRemote(step));
  if (local.length === 0)
    return {
      status: "derived",
      evidence: ["it has no transaction in a database of yours"],
      findings: [],
      needsAll: true,
    };
  const byHand = local.filter((step) => bodiesOf(step).some(setsStateByHand));
  const byRule = local.filter((step) => !byHand.includes(step) && bodiesOf(step).some(movesByRule));
  const unseen = local.filter((step) => !byHand.includes(step) && !byRule.includes(step));
  const evidence = byRule.length > 0 ? [`by a state machine or a version: ${listed(byRule)}`] : [];
  const findings = [
    ...byHand.map((step) =>
      found(
        "STATE_SET_BY_HAND",
        "warning",
        step,
        `step ${quoted(step)} sets a state with a statement of its own: nothing says from which states that is right`,
        "Move the row by a state machine: `order.move(tx, { id }, event)`.",
      ),
    ),
    ...unseen.map((step) =>
      found(
        "TRANSITIONS_UNKNOWN",
        "warning",
        step,
        `what step ${quoted(step)} writes is not to be seen`,
        'Move rows by a state machine or `updateVersioned`, or say why it needs none: `checklist: { transitions: "it only inserts" }`.',
      ),
    ),
  ];
  return { status: findings.length > 0 ? "unknown" : "derived", evidence, findings, needsAll: true };
}
