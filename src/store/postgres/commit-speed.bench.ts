// What the store takes of both processes' CPU, without the engine: three-step jobs and sagas in the flushes that the engine
// makes at 256 at a time (two in flight, executions at every stage side by side), and jobs without steps.
//
//   node src/store/postgres/commit-speed.bench.ts postgres://… [EXECUTIONS] [steps,sagas,enqueue,process]
//
// The server's CPU is that of all its processes, read from /proc; it must run on this machine.
import { randomBytes } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import pg from "pg";
import { InvariantError } from "../../core/errors.ts";
import { uuidV7 } from "../../core/ids.ts";
import type { JournalRow } from "../../core/journal.ts";
import type { NewExecution, Store, Write } from "../../core/store.ts";
import { postgresFromUrl } from "./postgres.ts";

const atOnce = 256;
const lanes = 2;
const claimCount = 250;
const enqueuedAtOnce = 64;
const namespace = "bench";
const newId = (): string => uuidV7(Date.now(), randomBytes(10));
const body = randomBytes(4);

type Stage = (id: string) => Omit<Write, "lease">;
type Outcome = NonNullable<NonNullable<Write["transition"]>["outcome"]>;

const record = (seq: number, more: Partial<JournalRow> = {}): JournalRow => ({
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
  ...more,
});
const step =
  (seq: number): Stage =>
  () => ({ direction: "forward", records: [record(seq)] });
const undo =
  (seq: number, started: number): Stage =>
  () => ({
    direction: "back",
    records: [record(seq, { step: `step ${started}`, started, role: "compensation", body: null })],
  });
const ending = (name: "complete" | "compensated", outcome: Outcome): Stage => {
  const transition = { name, parent: null, holdsSlot: false, outcome } as const;
  return () => ({ direction: name === "complete" ? "forward" : "back", transition });
};
const turn: Stage = () => ({
  direction: "forward",
  records: [record(3, { state: "refused" })],
  transition: { name: "turn-back", reason: "failed" },
});

const threeSteps = [step(1), step(2), step(3), ending("complete", { result: body, error: null, undoneCount: 0 })];
const saga = [
  ...[step(1), step(2), turn, undo(4, 2), undo(5, 1)],
  ending("compensated", { result: null, error: randomBytes(120), undoneCount: 2 }),
];

function execution(worker: string | null, key: string | null = null): NewExecution {
  const id = newId();
  return {
    id,
    namespace,
    job: "place-order",
    version: 1,
    key,
    fingerprint: key === null ? null : "1f",
    replacesRound: null,
    input: null,
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

/** Executions at every stage, each of which goes one further with each commit; a new one takes the place of one that ended. */
async function runStages(store: Store, worker: string, stages: readonly Stage[], total: number): Promise<void> {
  let begun = 0;
  const lane = async (): Promise<void> => {
    const places: { id: string; next: number }[] = Array.from({ length: atOnce / lanes }, (_, i) => ({
      id: "",
      next: stages.length - (i % (stages.length + 1)),
    }));
    while (begun < total) {
      const starts: NewExecution[] = [];
      const writes: Write[] = [];
      for (const place of places) {
        const stage = place.id === "" ? undefined : stages[place.next];
        if (place.id === "" && place.next < stages.length) place.next++;
        else if (stage === undefined) {
          const start = execution(worker);
          starts.push(start);
          [place.id, place.next] = [start.id, 0];
          begun++;
        } else {
          writes.push({ lease: { executionId: place.id, token: 1 }, ...stage(place.id) });
          place.next++;
        }
      }
      const outcomes = await store.executions.commit(starts, writes);
      if (outcomes.writes.some(({ kind }) => kind !== "done")) throw new InvariantError("Expected every write to land");
    }
  };
  await Promise.all(Array.from({ length: lanes }, lane));
}

async function enqueue(store: Store, total: number): Promise<void> {
  let begun = 0;
  const lane = async (): Promise<void> => {
    for (; begun < total; begun += enqueuedAtOnce / lanes)
      await store.executions.commit(
        Array.from({ length: enqueuedAtOnce / lanes }, () => execution(null)),
        [],
      );
  };
  await Promise.all(Array.from({ length: lanes }, lane));
}

async function work(store: Store, worker: string): Promise<void> {
  const jobs = [{ job: "place-order", version: 1 }];
  const claim = () => store.executions.claim({ namespace, worker, jobs, limit: claimCount });
  let next = claim();
  for (;;) {
    const claimed = await next;
    if (claimed.length === 0) return;
    next = claim();
    const end = ending("complete", { result: null, error: null, undoneCount: 0 });
    await store.executions.commit(
      [],
      claimed.map(({ id, token }) => ({ lease: { executionId: id, token }, ...end(id) })),
    );
  }
}

// ── Measuring ──────────────────────────────────────────────────────────────────────────────────────────────────────

/** µs of CPU by all processes of the server, ended ones too. */
function serverCpu(postmaster: number): number {
  const stat = (pid: string | number): readonly string[] =>
    readFileSync(`/proc/${pid}/stat`, "utf8")
      .replace(/^.*\) /, "")
      .split(" ");
  const [own, ended] = [stat(postmaster), 10_000];
  let total = (Number(own[13]) + Number(own[14])) * ended;
  for (const pid of readdirSync("/proc")) {
    if (!/^\d+$/.test(pid)) continue;
    try {
      if (Number(stat(pid)[1]) === postmaster)
        total += Number(readFileSync(`/proc/${pid}/schedstat`, "utf8").split(" ")[0]) / 1_000;
    } catch {
      // It ended meanwhile.
    }
  }
  return total;
}

async function measure(
  name: string,
  count: number,
  postmaster: number,
  client: pg.Client,
  run: () => Promise<void>,
): Promise<void> {
  const wal = async () =>
    Number((await client.query("SELECT pg_current_wal_insert_lsn() - '0/0'::pg_lsn AS bytes")).rows[0].bytes);
  const before = { at: performance.now(), node: process.cpuUsage(), server: serverCpu(postmaster), wal: await wal() };
  await run();
  const seconds = (performance.now() - before.at) / 1_000;
  const node = process.cpuUsage(before.node);
  const each = (total: number): string => (total / count).toFixed(1);
  console.log(
    `${name.padEnd(12)} ${Math.round(count / seconds)
      .toString()
      .padStart(
        7,
      )}/s  server ${each(serverCpu(postmaster) - before.server)} µs  Node ${each(node.user + node.system)} µs  WAL ${each((await wal()) - before.wal)} bytes`,
  );
}

const url = process.argv[2] ?? "";
const total = Number(process.argv[3] ?? 40_000);
const wanted = (process.argv[4] ?? "steps,sagas,enqueue,process").split(",");
const client = new pg.Client({ connectionString: url });
await client.connect();
const { rows } = await client.query("SELECT pg_backend_pid() AS pid");
const postmaster = Number(
  readFileSync(`/proc/${rows[0].pid}/stat`, "utf8")
    .replace(/^.*\) /, "")
    .split(" ")[1],
);
const store = await postgresFromUrl(url, { migrate: true });
await store.open();
const worker = newId();
await store.workers.register({ id: worker, name: "bench", namespace, leaseMs: 3_600_000, jobs: [] });
await runStages(store, worker, threeSteps, total / 10);
const suites: Record<string, () => Promise<void>> = {
  steps: () => runStages(store, worker, threeSteps, total),
  sagas: () => runStages(store, worker, saga, total),
  enqueue: () => enqueue(store, total),
  process: () => work(store, worker),
};
for (const name of wanted) await measure(name, total, postmaster, client, suites[name] ?? (async () => undefined));
await store.close();
await client.end();
