// The port of the engine's store. One method is one atomic operation with its compare-and-set inside. Methods resolve
// only after commit. They reject with these errors and no others:
//   STORE_CONFLICT         nothing happened (deadlock, serialization, SQLITE_BUSY): repeat the whole call, jittered
//   STORE_UNAVAILABLE      nothing happened, the server is not there: repeat later
//   STORE_OUTCOME_UNKNOWN  no answer, or an error from COMMIT: repeat the *same* call; every method is idempotent by the key it names
//   STORE_POISON           the database refuses a value: nothing happened; split the batch
// All times given or returned are epoch ms of the *database's* clock unless a name says otherwise; delays are relative.
import type { OwnerTransition, Phase, Reason, Status } from "./execution.ts";
import type { ExecutorStore } from "./executors.ts";
import type { ExecutionId } from "./ids.ts";
import type { AttemptRow, JournalRow, Role } from "./journal.ts";
import type { Actor } from "./ports.ts";
import type { ScheduleId, ScheduleStore } from "./schedule-store.ts";
import type { Script } from "./script.ts";

export const blockingStrategies = ["serial", "discard-new", "replace-running"] as const;
export type BlockingStrategy = (typeof blockingStrategies)[number];

/** Proof of ownership. The fence in full: token, status running, and the phase that the write needs; locked until commit. */
export interface Lease {
  readonly executionId: ExecutionId;
  readonly token: number;
}

export interface NewExecution {
  readonly id: ExecutionId;
  readonly namespace: string;
  readonly job: string;
  readonly version: number;
  /** Business key; null for a job without one. */
  readonly key: string | null;
  /** Of the stored input; null when key is. */
  readonly fingerprint: string | null;
  /** Restart: take the place of this round (the newest, ended without success) as round + 1. Null for a first start. */
  readonly replacesRound: number | null;
  readonly input: Uint8Array | null;
  readonly priority: number;
  readonly group: string | null;
  /** With a key the execution needs the slot (namespace, job, concurrencyKey); `blocking` says what happens while another holds it. */
  readonly concurrencyKey: string | null;
  readonly blocking: BlockingStrategy | null;
  readonly delayMs: number;
  /** Counted from the moment it may first run; null for none. */
  readonly timeoutMs: number | null;
  /** How long the row is kept after its end, and the key record after that of its newest round. */
  readonly retainMs: number;
  readonly keyRetainMs: number;
  readonly parent: ExecutionId | null;
  /** The topmost ancestor; its own id where there is no parent. */
  readonly root: ExecutionId;
  readonly traceContext: string | null;
  readonly attributes: Readonly<Record<string, string>>;
  readonly actor: Actor;
  /** Insert it already claimed by this worker if its lease is live in the same statement; else ready. Not with delay or concurrencyKey. */
  readonly claimFor: string | null;
  /** Whose fire it is (null: another scheduler's), and of which planned time (null: by hand). */
  readonly scheduled?: { readonly schedule: ScheduleId | null; readonly at: number | null };
}

export type StartOutcome =
  | {
      readonly kind: "started";
      readonly id: ExecutionId;
      readonly round: number;
      readonly status: Status;
      readonly token: number;
      readonly createdAt: number;
      readonly deadlineAt: number | null;
      /** Other processes hear of it by the commit itself: no need to announce it. */
      readonly isAnnounced?: boolean;
    }
  /** The key is taken; `id` and `round` are the newest. After an unknown outcome `id` may be the caller's own: then it was started. */
  | {
      readonly kind: "exists";
      readonly id: ExecutionId;
      readonly round: number;
      readonly status: Status;
      readonly fingerprint: string | null;
    };

/** One atomic unit for one execution: all of it lands, or nothing. At most one per execution in a call of `commit`. */
export interface Write {
  readonly lease: Lease;
  /** Which phases the fence admits: forward = all but back; back = only back; any = both (attempt rows, suspend, park). */
  readonly direction: "forward" | "back" | "any";
  /** Refused when the guard row's inbox is another: a timeout may only be recorded by one who has read every message. */
  readonly seenInbox?: number;
  readonly records?: readonly JournalRow[];
  readonly attempts?: readonly AttemptRow[];
  /** Marks signals as taken by a step. */
  readonly takes?: readonly { readonly signalId: string; readonly step: string }[];
  /** Children, inserted in the same commit as the record that names them. */
  readonly children?: readonly NewExecution[];
  readonly transition?: {
    readonly name: OwnerTransition;
    readonly reason?: Reason;
    /** For `suspend` (which needs `seenInbox`): when to wake at the latest (delay from now; null = only by a message). */
    readonly wakeInMs?: number | null;
    /** For `complete`, `compensated` and `confirm`: what is kept as the outcome. `undoneCount`: compensations that ran. */
    readonly outcome?: {
      readonly result: Uint8Array | null;
      readonly error: Uint8Array | null;
      readonly undoneCount: number;
    };
    /** For `park`. The incident and its pending alarm are one row, in the same commit. */
    readonly incident?: Incident;
    /** For terminal ones, known since the claim: whether a slot must be freed and whom to wake. */
    readonly parent?: ExecutionId | null;
    readonly holdsSlot?: boolean;
  };
  readonly progress?: { readonly fraction: number; readonly note: string | null };
}

export interface Incident {
  readonly code: string;
  readonly step: string | null;
  readonly error: Uint8Array | null;
}

export type WriteOutcome =
  /** `children` answers `Write.children`, in order. */
  | { readonly kind: "done"; readonly children: readonly StartOutcome[] }
  /** The guard row has another token, or is gone: drop the execution, write nothing more for it. */
  | { readonly kind: "lost" }
  /** Still mine, but phase, cancel or inbox forbid it: nothing of the write landed. */
  | { readonly kind: "refused"; readonly phase: Phase; readonly cancel: Reason | null; readonly inbox: number }
  /** Another transaction holds the guard row: send it again in the next flush. */
  | { readonly kind: "busy" };

export interface JobRef {
  readonly job: string;
  readonly version: number;
}

export interface ClaimedExecution {
  readonly id: ExecutionId;
  readonly job: string;
  readonly version: number;
  readonly key: string | null;
  readonly round: number;
  /** Raised by this claim. 1 means that nobody owned it before: its journal is empty. */
  readonly token: number;
  readonly phase: Phase;
  readonly reason: Reason | null;
  readonly cancel: Reason | null;
  readonly inbox: number;
  readonly priority: number;
  readonly group: string | null;
  readonly parent: ExecutionId | null;
  readonly root: ExecutionId;
  readonly holdsSlot: boolean;
  readonly traceContext: string | null;
  readonly input: Uint8Array | null;
  readonly createdAt: number;
  /** When the overall timeout strikes; `deadlineInMs` is the same, from the claim on. */
  readonly deadlineAt: number | null;
  readonly deadlineInMs: number | null;
  /** As in `NewExecution.scheduled`. */
  readonly scheduledAt: number | null;
}

export interface StoredSignal {
  readonly signalId: string;
  readonly name: string;
  readonly payload: Uint8Array | null;
  readonly at: number;
  readonly takenBy: string | null;
}

/** What a claim with token > 1 needs besides: read in a statement begun after the claim returned (a shared snapshot would miss rows). */
export interface Loaded {
  /** By seq. */
  readonly journal: readonly (JournalRow & { readonly token: number })[];
  /** Counted ones only: a `retry` by a person starts the budget anew. */
  readonly attempts: readonly AttemptRow[];
  readonly signals: readonly StoredSignal[];
  /** The guard row's inbox and cancel, read before the signals. */
  readonly inbox: number;
  readonly cancel: Reason | null;
}

export interface PruneRequest {
  readonly namespace: string;
  readonly limit: number;
  /** Only executions that ended at least this long ago, whatever their own retention. Default 0. */
  readonly endedForMs?: number;
}

export interface ExecutionStore {
  /**
   * One flush: starts and fenced writes of any number of executions, in one commit where the store can. Outcomes are per
   * element, in order. Idempotent: a start by its id, a write by its journal keys and token.
   */
  commit(
    starts: readonly NewExecution[],
    writes: readonly Write[],
  ): Promise<{ readonly starts: readonly StartOutcome[]; readonly writes: readonly WriteOutcome[] }>;
  /** Claims ready executions of these jobs by priority, then age; the slot, where needed, they already hold. Only while the worker's lease is live. */
  claim(request: {
    readonly namespace: string;
    readonly worker: string;
    readonly jobs: readonly JobRef[];
    readonly limit: number;
  }): Promise<readonly ClaimedExecution[]>;
  load(ids: readonly ExecutionId[]): Promise<ReadonlyMap<ExecutionId, Loaded>>;
  /**
   * Makes waiting executions ready whose time has come; those that want a slot get it, wait on for it, or are discarded.
   * `nextInMs`: when the next one is due, null if none waits for a time.
   */
  wakeDue(request: {
    readonly namespace: string;
    readonly limit: number;
  }): Promise<{ readonly wokenCount: number; readonly nextInMs: number | null }>;
  /** Takes over executions whose owner's lease is out or whose worker row is gone; parks those over `maxCrashes` claims without a new journal row. */
  rescue(request: {
    readonly namespace: string;
    readonly worker: string;
    readonly jobs: readonly JobRef[];
    readonly limit: number;
    readonly maxCrashes: number;
  }): Promise<{ readonly claimed: readonly ClaimedExecution[]; readonly parked: readonly ExecutionId[] }>;
  /** After an own transaction's unknown COMMIT: locks the guard row with the token, then looks for the row with that token. */
  readBack(lease: Lease, step: string, role: Role): Promise<"done" | "absent" | "lost">;
  /** Terminal executions that `prune` would delete with the same request, in the order in which it would. */
  prunable(request: PruneRequest): Promise<readonly ExecutionId[]>;
  /** Deletes terminal executions past their retention with all their rows, then key records past theirs. Batches; returns how many. */
  prune(request: PruneRequest): Promise<{ readonly executionCount: number; readonly keyCount: number }>;
}

export interface WorkerStore {
  /** Inserts the worker and ends the leases of all others of that name: a restart takes over at once. */
  register(worker: {
    readonly id: string;
    readonly name: string;
    readonly namespace: string;
    readonly leaseMs: number;
    readonly jobs: readonly JobRef[];
  }): Promise<void>;
  /** False: the row is gone; register under a new id and drop everything held. Renewing late is allowed. */
  renew(worker: { readonly id: string; readonly leaseMs: number; readonly jobs: readonly JobRef[] }): Promise<boolean>;
  /**
   * Running executions that name this worker: those not held (a claim whose reply was lost), and held ones with a cancel,
   * a raised inbox (> 0) or another token.
   */
  sweep(request: { readonly worker: string; readonly held: readonly ExecutionId[] }): Promise<
    readonly {
      readonly id: ExecutionId;
      readonly token: number;
      readonly cancel: Reason | null;
      readonly inbox: number;
    }[]
  >;
  /** Takes orphans of a sweep over by compare-and-set on their token, which it raises. */
  adopt(request: { readonly worker: string; readonly orphans: readonly Lease[] }): Promise<readonly ClaimedExecution[]>;
  /** Of these leases, those that are no longer running under that token. */
  lostAmong(leases: readonly Lease[]): Promise<readonly ExecutionId[]>;
  /** Graceful end: the lease is over now. */
  end(id: string): Promise<void>;
  /** Ready for longer than `olderThanMs`, and no live worker of the namespace has that job and version. */
  unserved(request: {
    readonly namespace: string;
    readonly olderThanMs: number;
  }): Promise<readonly (JobRef & { readonly count: number })[]>;
}

export type CommandOutcome =
  | { readonly kind: "accepted"; readonly status: Status; readonly phase: Phase }
  /** The state does not allow it; nothing happened. */
  | { readonly kind: "refused"; readonly status: Status; readonly phase: Phase }
  | { readonly kind: "unknown-execution" };

/** Commands from outside. Each writes the audit row with its actor in the same commit. */
export interface CommandStore {
  /** Kept until a wait takes it; `duplicate` by (execution, signalId). Refused when the execution has ended. */
  signal(command: {
    readonly id: ExecutionId;
    readonly signalId: string;
    readonly name: string;
    readonly payload: Uint8Array | null;
    readonly actor: Actor;
  }): Promise<CommandOutcome | { readonly kind: "duplicate" }>;
  /** Accepted only while phase is open. Sets `cancel`, raises the inbox, wakes a waiting or parked execution. */
  cancel(command: {
    readonly id: ExecutionId;
    readonly reason: Reason;
    readonly actor: Actor;
    readonly note: string | null;
  }): Promise<CommandOutcome>;
  /** Ends it at once, without undo: status killed, token raised, slot freed, parent woken, incident opened. */
  kill(command: {
    readonly id: ExecutionId;
    readonly actor: Actor;
    readonly note: string | null;
  }): Promise<CommandOutcome>;
  /** Parked → ready, incidents closed, crash count reset; `resetAttempts` starts the budgets of unsettled steps anew (retry from the failed step). */
  resume(command: {
    readonly id: ExecutionId;
    readonly resetAttempts: boolean;
    readonly actor: Actor;
    readonly note: string | null;
  }): Promise<CommandOutcome>;
  /** Parked only: a person states how one step ended. Writes the journal row (seq = last + 1, actor set) under the current token. */
  settleStep(command: {
    readonly id: ExecutionId;
    readonly row: Omit<JournalRow, "seq" | "at" | "actor" | "started"> & { readonly started: number | null };
    readonly actor: Actor;
    readonly note: string | null;
  }): Promise<CommandOutcome>;
  /** Parked only: ends the execution by a person's word. */
  settle(command: {
    readonly id: ExecutionId;
    readonly as: "completed" | "compensated";
    readonly result: Uint8Array | null;
    readonly error: Uint8Array | null;
    readonly actor: Actor;
    readonly note: string | null;
  }): Promise<CommandOutcome>;
}

export interface ExecutionRow {
  readonly id: ExecutionId;
  readonly namespace: string;
  readonly job: string;
  readonly version: number;
  readonly key: string | null;
  readonly round: number;
  readonly status: Status;
  readonly phase: Phase;
  readonly reason: Reason | null;
  readonly cancel: Reason | null;
  readonly token: number;
  readonly worker: string | null;
  readonly priority: number;
  readonly group: string | null;
  readonly concurrencyKey: string | null;
  readonly wakeAt: number | null;
  readonly createdAt: number;
  readonly endedAt: number | null;
  readonly deadlineAt: number | null;
  readonly parent: ExecutionId | null;
  readonly root: ExecutionId;
  readonly traceContext: string | null;
  /** Whose fire it is, null if not of a schedule here; `scheduledAt`: its planned time, null for one by hand. */
  readonly schedule: ScheduleId | null;
  readonly scheduledAt: number | null;
  readonly undoneCount: number;
  readonly progress: { readonly fraction: number; readonly note: string | null } | null;
}

export interface IncidentRow extends Incident {
  readonly id: string;
  readonly executionId: ExecutionId;
  readonly openedAt: number;
  readonly closedAt: number | null;
}

export interface AuditRow {
  readonly executionId: ExecutionId;
  readonly verb: string;
  readonly actor: Actor;
  readonly note: string | null;
  readonly at: number;
}

/** Plain reads, for callers and people. Never a base for a write. */
export interface ReadStore {
  find(id: ExecutionId): Promise<ExecutionRow | null>;
  /** The newest round of a key, also after retention took the execution (`status` then is the one it ended with). */
  findByKey(request: { readonly namespace: string; readonly job: string; readonly key: string }): Promise<{
    readonly id: ExecutionId;
    readonly round: number;
    readonly status: Status;
    readonly fingerprint: string | null;
  } | null>;
  /** Status and outcome of each id that exists. One round trip for many waiting callers. */
  outcomes(ids: readonly ExecutionId[]): Promise<
    ReadonlyMap<
      ExecutionId,
      {
        readonly status: Status;
        readonly phase: Phase;
        readonly reason: Reason | null;
        readonly undoneCount: number;
        readonly result: Uint8Array | null;
        readonly error: Uint8Array | null;
        readonly incidentId: string | null;
      }
    >
  >;
  input(id: ExecutionId): Promise<Uint8Array | null>;
  startedBy(id: ExecutionId): Promise<Actor | null>;
  history(id: ExecutionId): Promise<{
    readonly journal: readonly (JournalRow & { readonly token: number })[];
    readonly attempts: readonly AttemptRow[];
    readonly signals: readonly StoredSignal[];
    readonly audit: readonly AuditRow[];
    readonly incidents: readonly IncidentRow[];
  }>;
  /** Newest first; `after` is the last id of the page before. */
  list(request: {
    readonly namespace: string;
    readonly job?: string;
    readonly key?: string;
    readonly statuses?: readonly Status[];
    readonly parent?: ExecutionId;
    readonly schedule?: ScheduleId;
    readonly attribute?: readonly [name: string, value: string];
    readonly after?: ExecutionId;
    readonly limit: number;
  }): Promise<readonly ExecutionRow[]>;
  openIncidents(request: { readonly namespace: string; readonly limit: number }): Promise<readonly IncidentRow[]>;
  /** How many executions there are in each status (bounded work is not promised: for demos and tests). */
  countByStatus(namespace: string): Promise<Readonly<Record<Status, number>>>;
}

/** What runs inside a transaction of the user's, on the user's own connection to the engine's database. */
export interface OwnTransactions {
  /** Names this database: the store's id and the database it is in. The script yields null where the tables are absent. */
  readonly identity: string;
  identityScript(): Script<string | null>;
  /** Last before COMMIT: locks the guard row with the full fence and inserts the row. Not `done` → the caller must roll back. */
  recordScript(lease: Lease, direction: "forward" | "back", row: JournalRow): Script<WriteOutcome["kind"]>;
  /** Starts in the caller's transaction: always ready, never claimed. */
  startScript(execution: NewExecution): Script<StartOutcome>;
  readonly dialect: Dialect;
}
export type Dialect = "sqlite" | "postgres" | "mysql";

export interface Store {
  readonly kind: Dialect;
  readonly executions: ExecutionStore;
  readonly workers: WorkerStore;
  readonly commands: CommandStore;
  readonly reads: ReadStore;
  readonly schedules: ScheduleStore;
  readonly executors: ExecutorStore;
  readonly own: OwnTransactions;
  /** How many calls of `commit` pay when in flight at once: 1 where the caller's thread is the writer. */
  readonly flushLanes: number;
  /** Opens connections, checks the database's suitability and the schema version (STORE_UNSUITABLE, STORE_SCHEMA); migrates where that is automatic. */
  open(): Promise<void>;
  /** Applies what is missing; safe twice, from several processes at once, and when killed in the middle. Returns the names applied. */
  migrate(): Promise<readonly string[]>;
  /** Tells other processes that there may be work (`execution` null) or that one execution has news. Coalesced; losing it only costs time. */
  announce(namespace: string, execution: ExecutionId | null): void;
  /** Hears announcements of other processes. Returns the way to stop. No-op where the database cannot push. */
  listen(namespace: string, hear: (execution: ExecutionId | null) => void): () => void;
  close(): Promise<void>;
}
