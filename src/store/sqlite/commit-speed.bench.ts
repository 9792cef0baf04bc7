// How many rows a second `commit` takes: three-step executions, 256 at a time, as the engine's flushes are.
//
//   node src/store/sqlite/commit-speed.bench.ts [FILE] [EXECUTIONS]
import { randomBytes } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { uuidV7 } from "../../core/ids.ts";
import type { JournalRow } from "../../core/journal.ts";
import type { NewExecution, Store, Write } from "../../core/store.ts";
import { sqlite } from "./sqlite.ts";

const atOnce = 256;
const body = randomBytes(48);
const newId = (): string => uuidV7(Date.now(), randomBytes(10));

async function main(path: string, executionCount: number): Promise<void> {
  const store = sqlite(path);
  await store.open();
  const worker = newId();
  await store.workers.register({ id: worker, name: "bench", namespace: "bench", leaseMs: 3_600_000, jobs: [] });
  for (const isKeyed of [true, false]) {
    const startedAt = performance.now();
    const counts = await runAll(store, worker, executionCount, isKeyed);
    const seconds = (performance.now() - startedAt) / 1_000;
    const perSecond = (count: number): string => Math.round(count / seconds).toLocaleString("en");
    process.stdout.write(
      `${isKeyed ? "with keys" : "without keys"}: ${perSecond(executionCount)} executions/s, ${perSecond(counts.rows)} rows/s, ${perSecond(counts.commits)} commits/s (${seconds.toFixed(2)} s)\n`,
    );
  }
  await store.close();
}

/** A row is what is inserted or updated: execution, payload, key, three journal rows, the end, its outcome. */
async function runAll(
  store: Store,
  worker: string,
  executionCount: number,
  isKeyed: boolean,
): Promise<{ readonly rows: number; readonly commits: number }> {
  let [rows, commits] = [0, 0];
  for (let done = 0; done < executionCount; done += atOnce) {
    const starts = Array.from({ length: Math.min(atOnce, executionCount - done) }, (_, i) =>
      execution(worker, isKeyed ? `key-${process.pid}-${done + i}` : null),
    );
    const flushes: (readonly Write[])[] = [1, 2, 3].map((seq) =>
      starts.map(({ id }) => ({ lease: { executionId: id, token: 1 }, direction: "forward", records: [record(seq)] })),
    );
    flushes.push(
      starts.map(({ id }) => ({
        lease: { executionId: id, token: 1 },
        direction: "forward",
        transition: {
          name: "complete",
          parent: null,
          holdsSlot: false,
          outcome: { result: body, error: null, undoneCount: 0 },
        },
      })),
    );
    await store.executions.commit(starts, []);
    for (const writes of flushes) await store.executions.commit([], writes);
    rows += starts.length * (isKeyed ? 8 : 7);
    commits += 1 + flushes.length;
  }
  return { rows, commits };
}

function execution(worker: string, key: string | null): NewExecution {
  const id = newId();
  return {
    id,
    namespace: "bench",
    job: "place-order",
    version: 1,
    key,
    fingerprint: key === null ? null : "f",
    replacesRound: null,
    input: body,
    priority: 0,
    group: null,
    concurrencyKey: null,
    blocking: null,
    delayMs: 0,
    timeoutMs: null,
    retainMs: 86_400_000,
    keyRetainMs: 86_400_000,
    parent: null,
    root: id,
    traceContext: null,
    attributes: {},
    actor: { kind: "user", id: "bench" },
    claimFor: worker,
  };
}

function record(seq: number): JournalRow {
  return {
    step: `step ${seq}`,
    role: "action",
    kind: "step",
    seq,
    started: seq,
    attempt: 1,
    state: "done",
    body,
    at: Date.now(),
    actor: null,
  };
}

const folder = mkdtempSync(join(tmpdir(), "makegood-speed-"));
await main(process.argv[2] ?? join(folder, "engine.db"), Number(process.argv[3] ?? 51_200));
rmSync(folder, { recursive: true });
