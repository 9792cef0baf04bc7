// What a transition leaves behind. Each statement is served by the primary key. Whether it may happen has been decided, but
// for `endAtOnce`, which decides and does it in one.
import { assertNever, InvariantError } from "../../core/errors.ts";
import { type Reason, type TransitionRule, transitions } from "../../core/execution.ts";
import type { Write } from "../../core/store.ts";
import { mayStart } from "./conditions.ts";
import type { Sql } from "./connection.ts";
import { afterEnd } from "./endings.ts";
import type { Guard } from "./guard.ts";
import { openIncident } from "./incidents.ts";
import type { Moment } from "./moment.ts";
import type { Owner } from "./records.ts";

export type Transition = NonNullable<Write["transition"]>;

const setPhase = `
UPDATE makegood_execution SET phase = ?, reason = coalesce(?, reason) WHERE id = ?`;
const setEnded = `
UPDATE makegood_execution
   SET status = ?, reason = coalesce(?, reason), worker = NULL, wake_at = NULL, slot = NULL, ended_at = ?, prune_at = ? + retain_ms
 WHERE id = ?`;
const setResting = `
UPDATE makegood_execution SET status = ?, worker = NULL, wake_at = ? WHERE id = ?`;

export function move(sql: Sql, guard: Guard, transition: Transition, moment: Moment): void {
  const { id } = guard;
  const { now } = moment;
  const { status, phase }: TransitionRule = transitions[transition.name];
  switch (transition.name) {
    case "pivot":
      sql.run(setPhase, [phase, null, id]);
      return;
    case "turn-back":
      sql.run(setPhase, [phase, transition.reason ?? null, id]);
      return;
    case "confirm":
      sql.run(setPhase, [phase, null, id]);
      keepOutcome(sql, id, transition);
      return;
    case "complete":
    case "compensated":
      sql.run(setEnded, [status, reasonOf(transition), now, now, id]);
      keepOutcome(sql, id, transition);
      sql.script(afterEnd(guard, now));
      return;
    case "suspend":
      sql.run(setResting, [status, transition.wakeInMs == null ? null : now + transition.wakeInMs, id]);
      return;
    case "hand-back":
      sql.run(setResting, [status, now, id]);
      return;
    case "park":
      if (transition.incident === undefined)
        throw new InvariantError("Expected an incident with every park, found none");
      sql.run(setResting, [status, null, id]);
      sql.script(openIncident(id, transition.incident, moment));
      return;
    default:
      assertNever(transition.name);
  }
}

/** Why it ended without doing its work; what completes has no reason. */
const reasonOf = ({ name, reason }: Transition): Reason | null => (name === "complete" ? null : (reason ?? null));

const upsertOutcome = `
INSERT INTO makegood_outcome (execution_id, result, error, undone_count) VALUES (?, ?, ?, ?)
    ON CONFLICT (execution_id) DO UPDATE SET result = excluded.result, error = excluded.error, undone_count = excluded.undone_count`;

/** An outcome of nothing is no row. */
function keepOutcome(sql: Sql, id: Uint8Array, { outcome }: Transition): void {
  if (outcome === undefined || (outcome.result === null && outcome.error === null && outcome.undoneCount === 0)) return;
  sql.run(upsertOutcome, [id, outcome.result, outcome.error, outcome.undoneCount]);
}

// ── At once ────────────────────────────────────────────────────────────────────────────────────────────────────────

/** Of one without a slot to hand over or a parent to wake: nothing is left to do afterwards. The token last. */
const setEndedIf = (name: "complete" | "compensated"): string => `${setEnded}
   AND token = ? AND parent IS NULL AND slot IS NULL AND ${mayStart(name, "makegood_execution")}`;
const setEndedAtOnce = { complete: setEndedIf("complete"), compensated: setEndedIf("compensated") } as const;
const directionOf = { complete: "forward", compensated: "back" } as const;

/** The whole end of an execution with its fence, in its first statement. False: it was not to be, and nothing was written. */
export function endAtOnce(
  sql: Sql,
  { id, token }: Owner,
  direction: Write["direction"],
  transition: Transition,
  now: number,
): boolean {
  const { name } = transition;
  if ((name !== "complete" && name !== "compensated") || direction !== directionOf[name]) return false;
  const values = [transitions[name].status, reasonOf(transition), now, now, id, token];
  if (sql.run(setEndedAtOnce[name], values) === 0) return false;
  keepOutcome(sql, id, transition);
  return true;
}
