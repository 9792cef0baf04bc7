// What a process that works does for the store besides: it deletes what has expired, and tells of work that nobody serves.
import type { Tasks } from "../core/ports.ts";
import type { Env } from "./env.ts";
import { every } from "./every.ts";

export interface Housekeeping {
  /** Deletes the barrier rows of ended executions at every participant; null where there are none. */
  readonly pruneBarriers: ((executionIds: readonly string[]) => Promise<void>) | null;
  /** Deletes what else has expired in the participants' databases. */
  readonly pruneParticipants: ((signal: AbortSignal) => Promise<void>) | null;
}

const retentionEveryMs = 60_000;
const pruneBatch = 500;
/** Late calls to a participant find its barrier at least this long after the execution's end. */
const farRetentionMs = 600_000;
const unservedAfterMs = 60_000;
const unservedEveryMs = 60_000;

export function keepHouse(env: Env, tasks: Tasks, how: Housekeeping): void {
  tasks.start("retention", (signal) => every(env, signal, retentionEveryMs, () => prune(env, how, signal)));
  // A fleet that begins anew is not all there at once.
  const unserved = (signal: AbortSignal) =>
    every(env, signal, unservedEveryMs, () => reportUnserved(env), unservedEveryMs);
  tasks.start("unserved", unserved);
}

/** Barrier rows go with their executions, and before them: afterwards nobody would know which may go. */
async function prune(env: Env, { pruneBarriers, pruneParticipants }: Housekeeping, signal: AbortSignal): Promise<void> {
  const { executions } = env.store;
  const endedForMs = pruneBarriers === null ? 0 : farRetentionMs;
  const request = { namespace: env.namespace, limit: pruneBatch, endedForMs };
  for (;;) {
    if (pruneBarriers !== null) await pruneBarriers(await executions.prunable(request));
    const { executionCount, keyCount } = await executions.prune(request);
    if (executionCount < pruneBatch && keyCount < pruneBatch) break;
  }
  await pruneParticipants?.(signal);
}

async function reportUnserved({ namespace, store, log }: Env): Promise<void> {
  for (const { job, version, count } of await store.workers.unserved({ namespace, olderThanMs: unservedAfterMs }))
    log.warn({ job, version, count }, "executions wait, and no live worker has this job and version");
}
