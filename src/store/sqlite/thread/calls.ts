// What is said between a threaded store and its thread.

import type { ExecutorStore } from "../../../core/executors.ts";
import type { ScheduleStore } from "../../../core/schedule-store.ts";
import type { CommandStore, ExecutionStore, ReadStore, WorkerStore } from "../../../core/store.ts";
import type { SentError } from "./sent-error.ts";
import type { PackedCommit } from "./wire.ts";

/** What became of a call whose thread died: a read did nothing, a write may have landed. */
export type Effect = "read" | "write";

interface Rooms {
  readonly executions: Omit<ExecutionStore, "commit">;
  readonly workers: WorkerStore;
  readonly commands: CommandStore;
  readonly reads: ReadStore;
  readonly schedules: ScheduleStore;
  readonly executors: ExecutorStore;
}
export type Room = keyof Rooms;

/** Every method of the port that takes plain values and answers with plain values. */
export const effects: { readonly [R in Room]: Readonly<Record<keyof Rooms[R], Effect>> } = {
  executions: {
    claim: "write",
    load: "read",
    wakeDue: "write",
    rescue: "write",
    readBack: "read",
    prunable: "read",
    prune: "write",
  },
  workers: {
    register: "write",
    renew: "write",
    sweep: "read",
    adopt: "write",
    lostAmong: "read",
    end: "write",
    unserved: "read",
  },
  commands: {
    signal: "write",
    cancel: "write",
    kill: "write",
    resume: "write",
    settleStep: "write",
    settle: "write",
  },
  reads: {
    find: "read",
    findByKey: "read",
    outcomes: "read",
    input: "read",
    history: "read",
    list: "read",
    startedBy: "read",
    openIncidents: "read",
    countByStatus: "read",
  },
  schedules: {
    now: "read",
    put: "write",
    edit: "write",
    remove: "write",
    find: "read",
    findByName: "read",
    list: "read",
    audit: "read",
    unserved: "read",
    followers: "read",
    due: "read",
    ended: "read",
    fire: "write",
  },
  executors: {
    register: "write",
    unregister: "write",
    list: "read",
    memory: "read",
    remember: "write",
    loads: "read",
    open: "write",
    accept: "write",
    end: "write",
    find: "read",
    runsOf: "read",
    takeOpen: "write",
    appendLog: "write",
    readLog: "read",
    prune: "write",
  },
};

export type Call =
  /** Answered with the store's identity. */
  | { readonly name: "open" }
  | { readonly name: "migrate" }
  /** Answered when every call before it has been; the thread ends after it. */
  | { readonly name: "close" }
  | { readonly name: "commit"; readonly packed: PackedCommit }
  | { readonly name: Room; readonly method: string; readonly values: readonly unknown[] };

export interface NumberedCall {
  readonly number: number;
  readonly call: Call;
}
export type Answer =
  | { readonly number: number; readonly value: unknown }
  | { readonly number: number; readonly error: SentError };

/** What the thread is given at its start. */
export interface ThreadSettings {
  readonly path: string;
  readonly busyTimeoutMs: number;
  readonly conflictAfterMs: number;
}
