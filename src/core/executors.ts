// Executors: processes that a center addresses, what it sent them, and what they said. One run is one attempt of one shard
// of one execution on one executor; its number is what XXL-JOB calls `logId`.
import type { ExecutionId } from "./ids.ts";
import type { RoutingMemory } from "./routing/route.ts";

/** Of XXL-JOB's protocol, as protocol/xxl-job numbers them. */
export type ProtocolGeneration = 2 | 3 | 4;

export interface ExecutorRow {
  readonly group: string;
  /** As it registered, to the last slash: some of its callers compare it as text. */
  readonly address: string;
  /** `manual`: named by a person, for good. */
  readonly source: "registered" | "manual";
  /** Null: not known yet. */
  readonly generation: ProtocolGeneration | null;
  readonly seenAt: number;
  readonly isLive: boolean;
}

/**
 *   sending → running → completed | failed | timed-out | killed | lost
 *   sending → refused (the executor certainly did not take it)
 *   sending → lost (it may have)
 */
export const runStates = [
  "sending",
  "running",
  "completed",
  "failed",
  "timed-out",
  "killed",
  "lost",
  "refused",
] as const;
export type RunState = (typeof runStates)[number];
export type EndedRunState = Exclude<RunState, "sending" | "running">;

export interface NewRun {
  readonly namespace: string;
  readonly executionId: ExecutionId;
  /** From 1. */
  readonly attempt: number;
  readonly shardIndex: number;
  readonly shardTotal: number;
  readonly group: string;
  readonly handler: string;
  /** As it was sent: the executor's word for the job. */
  readonly jobId: number;
  readonly address: string;
}

export interface RunRow extends NewRun {
  /** A whole number below 2^53, greater than every earlier one. */
  readonly logId: number;
  readonly state: RunState;
  readonly openedAt: number;
  readonly acceptedAt: number | null;
  readonly endedAt: number | null;
  /** As the executor said it: 200, 500, 502; null if it said nothing. */
  readonly code: number | null;
  readonly message: string | null;
  /** Lines of its log that are kept here. */
  readonly logLines: number;
  /** When somebody last looked after it. */
  readonly checkedAt: number;
}

export interface LogLines {
  readonly logId: number;
  /** Of the first of `text`, from 1. */
  readonly fromLine: number;
  readonly lines: readonly string[];
}

export interface ExecutorStore {
  /** Inserts or renews. `leaseMs` null: for good (manual). A registered one never replaces a manual one. */
  register(executor: {
    readonly namespace: string;
    readonly group: string;
    readonly address: string;
    readonly source: ExecutorRow["source"];
    readonly generation: ProtocolGeneration | null;
    readonly leaseMs: number | null;
  }): Promise<void>;
  /** Takes a registered one off at once; a manual one stays. */
  unregister(executor: { readonly namespace: string; readonly group: string; readonly address: string }): Promise<void>;
  /** By group and address. Those long gone are deleted by `prune`. */
  list(request: { readonly namespace: string; readonly group?: string }): Promise<readonly ExecutorRow[]>;

  /** What routing remembers of a handler; empty at first. */
  memory(of: RoutingKey): Promise<{ readonly memory: RoutingMemory; readonly version: number }>;
  /** Compare-and-set on the version. False: somebody else chose meanwhile. */
  remember(of: RoutingKey, memory: RoutingMemory, version: number): Promise<boolean>;
  /** Runs under way, by address. */
  loads(request: { readonly namespace: string; readonly group: string }): Promise<Readonly<Record<string, number>>>;

  /** Opens a run as `sending`, or gives the one that (execution, attempt, shard) has: with the address it was opened for. */
  open(run: NewRun): Promise<RunRow>;
  /** sending → running. Nothing if it has ended. */
  accept(logId: number): Promise<void>;
  /** Only a run that has not ended, and only the first time. `unknown`: there is no such run. */
  end(run: {
    readonly logId: number;
    readonly state: EndedRunState;
    readonly code: number | null;
    readonly message: string | null;
  }): Promise<"ended" | "already" | "unknown">;
  find(logId: number): Promise<RunRow | null>;
  /** Of an execution, by number. */
  runsOf(id: ExecutionId): Promise<readonly RunRow[]>;
  /**
   * Runs that have not ended and that nobody has looked after for `olderThanMs`, the longest unseen first; marks them as
   * looked after, so that each is given to one caller only.
   */
  takeOpen(request: {
    readonly namespace: string;
    readonly olderThanMs: number;
    readonly limit: number;
  }): Promise<readonly RunRow[]>;

  /** Keeps lines that continue the log where it ends; others are ignored. Answers how many lines there are now. */
  appendLog(log: LogLines): Promise<number>;
  /** Lines of one run from `fromLine`, at most `limit`. */
  readLog(request: { readonly logId: number; readonly fromLine: number; readonly limit: number }): Promise<LogLines>;
  /** Deletes runs that ended that long ago with their logs, and executors not seen for as long; returns how many runs. */
  prune(request: { readonly namespace: string; readonly olderThanMs: number; readonly limit: number }): Promise<number>;
}

export interface RoutingKey {
  readonly namespace: string;
  readonly group: string;
  readonly handler: string;
}
