// The port of schedules: rows with a next fire time, and the one operation that fires them.
//
// `fire` is the protocol's compare-and-set: a row moves from the `nextAt` (or the awaited end) that was seen to the next one,
// and the executions of the fires passed are inserted in the same commit. Of any number of centers one wins a row; the others
// are told `lost` and have written nothing. Values of this file are plain, so that a store may live in another thread.
import type { ExecutionId } from "./ids.ts";
import type { Actor } from "./ports.ts";
import type { AuditRow, NewExecution } from "./store.ts";

/** A lowercase UUIDv7, as an execution's. */
export type ScheduleId = string;

/** Announced in place of an execution's id when a schedule was made or changed. */
export const schedulesChanged = "schedules";

export const scheduleSources = ["code", "person"] as const;
/** `code`: declared by a job's `on`, and reconciled with it at start. `person`: made by API, console or command line. */
export type ScheduleSource = (typeof scheduleSources)[number];

export const pauseReasons = ["person", "gone"] as const;
/** `gone`: the code no longer declares it; declared again it goes on. */
export type PauseReason = (typeof pauseReasons)[number];

/** What an edit may change. */
export interface ScheduleContent {
  readonly job: string;
  /** Of executors; null for a job that workers run. */
  readonly group: string | null;
  /** JSON of core's definition. */
  readonly definition: string;
  readonly input: Uint8Array | null;
  /** Only a process that has the code fires it: its input is computed there. */
  readonly needsCode: boolean;
  /** It has no times: it is started by the ends of others. */
  readonly follows: boolean;
  readonly paused: PauseReason | null;
  /** Planned times before are not owed. */
  readonly enabledAt: number;
  /** When it is due next: a planned time and its jitter. Null: never again, or it waits for the end of `awaits`. */
  readonly nextAt: number | null;
  /** For a fixed delay: the execution after whose end the next time is counted. */
  readonly awaits: ExecutionId | null;
  /** For a fixed delay: when the execution of the last fire ended; null: it has not, or there was none. */
  readonly lastEndedAt: number | null;
}

export interface NewSchedule extends ScheduleContent {
  readonly id: ScheduleId;
  readonly namespace: string;
  /** Unique in its namespace; null for one without. */
  readonly name: string | null;
  readonly source: ScheduleSource;
}

export interface ScheduleRow extends NewSchedule {
  /** Raised by every edit, pause and resume; not by fires. */
  readonly version: number;
  /** The newest planned time that was fired or passed over. Never falls. */
  readonly lastFiredAt: number | null;
  readonly createdAt: number;
  readonly updatedAt: number;
}

/** What was read and must still be so: else the write is `stale` and nothing happened. */
export interface SeenSchedule {
  readonly version: number;
  readonly lastFiredAt: number | null;
}

export type ScheduleOutcome =
  | { readonly kind: "done" }
  /** Somebody edited or fired it meanwhile: read it again. */
  | { readonly kind: "stale" }
  | { readonly kind: "unknown-schedule" };

export type PutOutcome =
  | { readonly kind: "created" }
  /** The id or the name is there. After an unknown outcome `id` may be the caller's own: then it was created. */
  | { readonly kind: "exists"; readonly id: ScheduleId };

/** One row's move. Its guard: version, the `nextAt` seen, the execution awaited, and not paused. */
export interface ScheduleMove {
  readonly id: ScheduleId;
  readonly version: number;
  readonly seenAt: number | null;
  readonly seenAwaits: ExecutionId | null;
  readonly nextAt: number | null;
  readonly awaits: ExecutionId | null;
  readonly lastEndedAt: number | null;
  /** The newest planned time that this move fires or passes over; null: unchanged. Above all that went before. */
  readonly firedAt: number | null;
  /** One for each planned time that is fired, each with a key of its own and `scheduled.schedule` this schedule. */
  readonly starts: readonly NewExecution[];
}

export type MoveOutcome =
  | { readonly kind: "fired" }
  /** Another center moved it, or it was edited, paused or removed: nothing of the move landed. */
  | { readonly kind: "lost" };

export interface DueSchedules {
  /** The database's clock at the read. */
  readonly now: number;
  /** By `nextAt`, the longest overdue first. */
  readonly schedules: readonly ScheduleRow[];
  /** Until the next one that is not among them; 0 if more are due; null if there is none. */
  readonly nextInMs: number | null;
}

export interface EndedSchedule {
  readonly schedule: ScheduleRow;
  /** Of the execution awaited; the time of this read if retention took that. */
  readonly endedAt: number;
}

export interface ScheduleStore {
  /** The database's clock. */
  now(): Promise<number>;
  /** Inserts, with an audit row. Idempotent by id, and unique by name. */
  put(schedule: NewSchedule, actor: Actor, note?: string | null): Promise<PutOutcome>;
  /** Compare-and-set on what was seen; version + 1, with an audit row under `verb`. */
  edit(command: {
    readonly id: ScheduleId;
    readonly seen: SeenSchedule;
    readonly content: ScheduleContent;
    readonly verb: string;
    readonly actor: Actor;
    readonly note: string | null;
  }): Promise<ScheduleOutcome>;
  /** Deletes it, with an audit row. Its executions stay. */
  remove(command: {
    readonly id: ScheduleId;
    readonly actor: Actor;
    readonly note: string | null;
  }): Promise<ScheduleOutcome>;
  find(id: ScheduleId): Promise<ScheduleRow | null>;
  findByName(request: { readonly namespace: string; readonly name: string }): Promise<ScheduleRow | null>;
  /** Newest first; `after` is the last id of the page before. */
  list(request: {
    readonly namespace: string;
    readonly source?: ScheduleSource;
    readonly job?: string;
    readonly group?: string;
    readonly after?: ScheduleId;
    readonly limit: number;
  }): Promise<readonly ScheduleRow[]>;
  /** By time; `executionId` is the schedule's id. */
  audit(id: ScheduleId): Promise<readonly AuditRow[]>;
  /** Jobs of schedules from code that no live worker has, with how many schedules. */
  unserved(namespace: string): Promise<readonly string[]>;
  /** Those that follow others, by id. */
  followers(namespace: string): Promise<readonly ScheduleRow[]>;
  /** Those whose time has come. Of those that need code, only those named here. Locks nothing. */
  due(request: {
    readonly namespace: string;
    readonly names: readonly string[];
    readonly limit: number;
  }): Promise<DueSchedules>;
  /** Those that await an execution that has ended, or is gone. Of those that need code, only those named here. Locks nothing. */
  ended(request: {
    readonly namespace: string;
    readonly names: readonly string[];
    readonly limit: number;
  }): Promise<readonly EndedSchedule[]>;
  /**
   * Moves in one commit where the store can; a row and its executions always in one. Outcomes in order. A row that another
   * transaction holds is `lost`: nobody waits. A start whose key or id is there already counts as fired. After an unknown
   * outcome do not repeat it: read what is due again, the guards decide.
   */
  fire(moves: readonly ScheduleMove[]): Promise<readonly MoveOutcome[]>;
}
