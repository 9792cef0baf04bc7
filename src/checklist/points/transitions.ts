// Are changes of state legal ones? What a body writes is out of sight, and a call that is named `move` may be anybody's: so of a
// job that changes anything only its author can answer.
import {
  type Answer,
  bodiesOf,
  effectsOf,
  found,
  isRemote,
  listed,
  quoted,
  type Seen,
  seemsToMove,
  setsStateByHand,
} from "./seen.ts";

export function transitions(seen: Seen): Answer {
  const steps = effectsOf(seen);
  if (steps.length === 0)
    return { status: "derived", evidence: ["it has no step that changes anything"], findings: [], needsAll: true };
  const byHand = steps.filter((step) => bodiesOf(step).some(setsStateByHand));
  const byRule = steps.filter((step) => !byHand.includes(step) && bodiesOf(step).some(seemsToMove));
  const hidden = steps.filter((step) => !byHand.includes(step));
  const hint = byRule.length > 0 ? [`a hint: ${listed(byRule)} may move its row by a state machine or a version`] : [];
  const isAllHinted = byRule.length === hidden.length;
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
    ...(hidden.length === 0
      ? []
      : [
          found(
            "TRANSITIONS_UNKNOWN",
            "warning",
            hidden.length === 1 ? (hidden[0] ?? null) : null,
            `whether ${listed(hidden)} changes the state of a row, and legally, is not to be seen`,
            isAllHinted
              ? 'If so, say it: `checklist: { transitions: "moved by the machine order" }`.'
              : `${hidden.every(isRemote) ? "Say" : "Move rows by a state machine or `updateVersioned`, and say it, or say"} why it needs none: \`checklist: { transitions: "it only inserts" }\`.`,
          ),
        ]),
  ];
  return { status: "unknown", evidence: hint, findings, needsAll: true };
}
