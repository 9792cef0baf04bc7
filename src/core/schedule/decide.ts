// What a scheduler starts now, and what it stores. A decision moves the schedule from one fire time, the last it decided about,
// to a later one; that alone is its memory. So a time is decided once, whatever the clock does: a clock that jumps back decides
// nothing until it has caught up, one that jumps ahead is a misfire.
import { dueAt, nextAt, openFrom, previousAt } from "./fires.ts";
import type { Misfire } from "./misfire.ts";
import type { Schedule } from "./schedule.ts";

export interface DecisionInput {
  readonly schedule: Schedule;
  readonly misfire: Misfire;
  /** What the last decision gave as `lastFireAt`; null before the first. */
  readonly lastFireAt: number | null;
  /** When the schedule was created or last enabled: fire times before are not owed, except that of a one-shot. */
  readonly enabledAt: number;
  readonly now: number;
  /** Of a fixed delay, read only there: when the execution of `lastFireAt` ended; null: it has not. */
  readonly lastEndedAt?: number | null;
}

export interface DueFire {
  /** The fire time: what identifies this fire. */
  readonly at: number;
  /** `at` and the schedule's jitter. */
  readonly dueAt: number;
  /**
   * `planned`: in time. `late`: it missed its time, and stands for all that did (`fire-once`). `caught-up`: one of those that
   * missed their time (`catch-up`).
   */
  readonly kind: "planned" | "late" | "caught-up";
}

export interface Decision {
  /** To be started now, rising; at most 1000 and what is caught up. More that is due is left to the next decision. */
  readonly fires: readonly DueFire[];
  /** Fire times that passed and are not started. */
  readonly skippedCount: number;
  /** False: counting was given up at 10 000; there were more. */
  readonly isSkippedCountExact: boolean;
  /** To be stored, with the fires, in one transaction: everything up to here is decided. */
  readonly lastFireAt: number | null;
  /** The fire time after that; null: none is left, or (fixed delay) it is known when the execution ends. */
  readonly nextAt: number | null;
  /** When to ask again. */
  readonly nextDueAt: number | null;
}

const maxFires = 1_000;
const maxCounted = 10_000;

/** Pure: the same input gives the same decision in every process. Fire times rise strictly from decision to decision. */
export function decideFires(input: DecisionInput): Decision {
  if (input.schedule.timing.kind === "delay") return decideDelay(input);
  const cursor = cursorOf(input);
  const missedAt = newestMissed(input, cursor);
  const planned = plannedAfter(input, missedAt ?? cursor);
  const made = missedAt === null ? [] : makeUp(input, cursor, missedAt, planned.length > 0);
  const skipped = missedAt === null ? noneSkipped : countSkipped(input.schedule, cursor, made[0]?.at ?? missedAt + 1);
  const lastFireAt = planned.at(-1)?.at ?? missedAt ?? input.lastFireAt;
  const next = nextAt(input.schedule, lastFireAt === null ? cursor : Math.max(cursor, lastFireAt));
  return {
    fires: [...made, ...planned],
    ...skipped,
    lastFireAt,
    nextAt: next,
    nextDueAt: next === null ? null : dueAt(input.schedule, next),
  };
}

/** Fire times after this one are owed. */
function cursorOf({ schedule, lastFireAt, enabledAt }: DecisionInput): number {
  if (schedule.timing.kind === "once") return lastFireAt ?? Number.NEGATIVE_INFINITY;
  return Math.max(lastFireAt ?? Number.NEGATIVE_INFINITY, enabledAt - 1);
}

/** The last fire time that was due before the threshold. Due times rise with fire times, so all before it were missed too. */
function newestMissed({ schedule, misfire, now }: DecisionInput, cursor: number): number | null {
  const lateBefore = now - misfire.thresholdMs;
  let at = previousAt(schedule, lateBefore);
  // A jitter ends before the next fire time, so only the newest can still be in time.
  if (at !== null && dueAt(schedule, at) >= lateBefore) at = previousAt(schedule, at);
  return at !== null && at > cursor ? at : null;
}

function plannedAfter({ schedule, now }: DecisionInput, after: number): readonly DueFire[] {
  const fires: DueFire[] = [];
  for (let at = nextAt(schedule, after); at !== null && fires.length < maxFires; at = nextAt(schedule, at)) {
    const due = dueAt(schedule, at);
    if (due > now) break;
    fires.push({ at, dueAt: due, kind: "planned" });
  }
  return fires;
}

function makeUp({ schedule, misfire }: DecisionInput, cursor: number, missedAt: number, isOneInTime: boolean) {
  if (misfire.policy === "skip") return [];
  // A fire that is in time is newer than what was missed, and runs now: it stands for them as well.
  if (misfire.policy === "fire-once") return isOneInTime ? [] : [dueFire(schedule, missedAt, "late")];
  const fires: DueFire[] = [];
  for (let at: number | null = missedAt; at !== null && at > cursor; at = previousAt(schedule, at)) {
    if (fires.length === misfire.maxCatchUp) break;
    fires.push(dueFire(schedule, at, "caught-up"));
  }
  return fires.reverse();
}

function dueFire(schedule: Schedule, at: number, kind: DueFire["kind"]): DueFire {
  return { at, dueAt: dueAt(schedule, at), kind };
}

const noneSkipped = { skippedCount: 0, isSkippedCountExact: true };

function countSkipped(schedule: Schedule, after: number, before: number): typeof noneSkipped {
  let count = 0;
  for (let at = nextAt(schedule, after); at !== null && at < before; at = nextAt(schedule, at)) {
    if (count === maxCounted) return { skippedCount: count, isSkippedCountExact: false };
    count++;
  }
  return { skippedCount: count, isSkippedCountExact: true };
}

/**
 * A fixed delay owes one fire at most, and without it there would be no end to count the next from: a missed one is started
 * late, whatever the policy.
 */
function decideDelay(input: DecisionInput): Decision {
  const { schedule, misfire, lastFireAt, now } = input;
  const at = nextOfDelay(input);
  const waiting = { fires: [], ...noneSkipped, lastFireAt };
  if (at === null) return { ...waiting, nextAt: null, nextDueAt: null };
  const due = dueAt(schedule, at);
  if (due > now) return { ...waiting, nextAt: at, nextDueAt: due };
  const kind = now - due > misfire.thresholdMs ? "late" : "planned";
  return { ...waiting, fires: [{ at, dueAt: due, kind }], lastFireAt: at, nextAt: null, nextDueAt: null };
}

function nextOfDelay({ schedule, lastFireAt, lastEndedAt = null, enabledAt }: DecisionInput): number | null {
  if (schedule.timing.kind !== "delay") return null;
  const earliest = Math.max(enabledAt, schedule.startMs);
  if (lastFireAt !== null && lastEndedAt === null) return null;
  const after =
    lastFireAt === null || lastEndedAt === null
      ? earliest
      : Math.max(earliest, lastEndedAt + schedule.timing.everyMs, lastFireAt + 1);
  const at = openFrom(schedule, after);
  return at < schedule.endMs ? at : null;
}
