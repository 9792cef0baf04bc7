// One test's corner of the database: a namespace, and short words for what tests do in it.
import { randomBytes, randomUUID } from "node:crypto";
import { setImmediate } from "node:timers/promises";
import type { ExecutionId } from "../../core/ids.ts";
import { uuidV7 } from "../../core/ids.ts";
import type { AttemptRow, JournalRow } from "../../core/journal.ts";
import type { Actor } from "../../core/ports.ts";
import type {
  ClaimedExecution,
  ExecutionRow,
  JobRef,
  Lease,
  NewExecution,
  StartOutcome,
  Store,
  Write,
  WriteOutcome,
} from "../../core/store.ts";

export type Started = Extract<StartOutcome, { kind: "started" }>;
export type Transition = NonNullable<Write["transition"]>;
export interface TestWorker {
  readonly id: string;
  readonly name: string;
}

export const job: JobRef = { job: "place-order", version: 1 };
export const person: Actor = { kind: "user", id: "ada" };
/** Long enough that no test meets its end by the clock. */
const longLeaseMs = 600_000;
const patienceMs = 20_000;

export const newId = (): ExecutionId => uuidV7(Date.now(), randomBytes(10));
export const bytes = (...values: readonly number[]): Uint8Array => Uint8Array.from(values);
/** Drivers answer with Buffers or plain arrays; only the content counts. */
export const plain = (found: Uint8Array | null | undefined): readonly number[] | null => (found ? [...found] : null);

let lastSeq = 0;
export function record(step: string, given: Partial<JournalRow> = {}): JournalRow {
  lastSeq++;
  return {
    step,
    role: "action",
    kind: "step",
    seq: lastSeq,
    started: lastSeq,
    attempt: 1,
    state: "done",
    body: bytes(1, 2, 3),
    at: Date.now(),
    actor: null,
    ...given,
  };
}

export function failedAttempt(step: string, given: Partial<AttemptRow> = {}): AttemptRow {
  return { step, role: "action", attempt: 1, at: 1_000, nextAt: 2_000, isUnknown: true, error: bytes(9), ...given };
}

/** Asks again until there is an answer. Instead of sleeping: the database's clock decides, not ours. */
export async function until<T>(what: string, ask: () => Promise<T | undefined>): Promise<T> {
  const giveUpAt = Date.now() + patienceMs;
  for (;;) {
    const answer = await ask();
    if (answer !== undefined) return answer;
    if (Date.now() > giveUpAt) throw new Error(`Waited ${patienceMs} ms in vain for ${what}`);
    await setImmediate();
  }
}

/** What the port asks of callers: a conflict is nothing happened, so the whole call is repeated. */
export async function persistently<T>(call: () => Promise<T>): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await call();
    } catch (error) {
      if ((error as { code?: unknown }).code !== "STORE_CONFLICT" || attempt === 50) throw error;
    }
  }
}

export class Scene {
  readonly store: Store;
  readonly namespace: string;

  constructor(store: Store, namespace: string = `test-${randomUUID()}`) {
    this.store = store;
    this.namespace = namespace;
  }

  /** The same namespace, seen through another store. */
  through(store: Store): Scene {
    return new Scene(store, this.namespace);
  }

  async worker(
    given: { readonly name?: string; readonly jobs?: readonly JobRef[]; readonly leaseMs?: number } = {},
  ): Promise<TestWorker> {
    const worker = { id: newId(), name: given.name ?? `worker-${randomUUID()}` };
    await this.store.workers.register({
      ...worker,
      namespace: this.namespace,
      leaseMs: given.leaseMs ?? longLeaseMs,
      jobs: given.jobs ?? [job],
    });
    return worker;
  }

  execution(given: Partial<NewExecution> = {}): NewExecution {
    const id = given.id ?? newId();
    return {
      id,
      namespace: this.namespace,
      job: job.job,
      version: job.version,
      key: null,
      fingerprint: given.key == null ? null : "print-1",
      replacesRound: null,
      input: bytes(7),
      priority: 0,
      group: null,
      concurrencyKey: null,
      blocking: given.concurrencyKey == null ? null : "serial",
      delayMs: 0,
      timeoutMs: null,
      retainMs: 86_400_000,
      keyRetainMs: 86_400_000,
      parent: null,
      root: id,
      traceContext: null,
      attributes: {},
      actor: person,
      claimFor: null,
      ...given,
    };
  }

  async startAny(given: Partial<NewExecution> = {}): Promise<StartOutcome> {
    const { starts } = await this.store.executions.commit([this.execution(given)], []);
    return only(starts);
  }

  async start(given: Partial<NewExecution> = {}): Promise<Started> {
    const outcome = await this.startAny(given);
    if (outcome.kind !== "started") throw new Error(`Expected a start, found ${outcome.kind}`);
    return outcome;
  }

  /** A running execution and the lease on it. */
  async running(worker: TestWorker, given: Partial<NewExecution> = {}): Promise<Lease> {
    if (given.concurrencyKey == null) {
      const { id, token } = await this.start({ ...given, claimFor: worker.id });
      return { executionId: id, token };
    }
    const { id } = await this.start(given);
    const claimed = await this.claim(worker, 100);
    const mine = claimed.find((execution) => execution.id === id);
    if (mine === undefined) throw new Error(`Expected to claim ${id}, found ${claimed.length} others`);
    return leaseOf(mine);
  }

  claim(worker: TestWorker, limit = 100, jobs: readonly JobRef[] = [job]): Promise<readonly ClaimedExecution[]> {
    return this.store.executions.claim({ namespace: this.namespace, worker: worker.id, jobs, limit });
  }

  async claimOne(worker: TestWorker, jobs?: readonly JobRef[]): Promise<ClaimedExecution> {
    return only(await this.claim(worker, 1, jobs));
  }

  rescue(
    worker: TestWorker,
    given: { readonly limit?: number; readonly maxCrashes?: number; readonly jobs?: readonly JobRef[] } = {},
  ) {
    const { limit = 100, maxCrashes = 5, jobs = [job] } = given;
    return this.store.executions.rescue({ namespace: this.namespace, worker: worker.id, jobs, limit, maxCrashes });
  }

  wakeDue(limit = 100) {
    return this.store.executions.wakeDue({ namespace: this.namespace, limit });
  }

  prune(limit = 100) {
    return this.store.executions.prune({ namespace: this.namespace, limit });
  }

  async write(write: Write): Promise<WriteOutcome> {
    const { writes } = await this.store.executions.commit([], [write]);
    return only(writes);
  }

  record(lease: Lease, row: JournalRow, direction: Write["direction"] = "forward"): Promise<WriteOutcome> {
    return this.write({ lease, direction, records: [row] });
  }

  move(lease: Lease, transition: Transition, more: Partial<Write> = {}): Promise<WriteOutcome> {
    return this.write({ lease, direction: directionOf(transition.name), transition, ...more });
  }

  async done(outcome: Promise<WriteOutcome>): Promise<void> {
    const { kind } = await outcome;
    if (kind !== "done") throw new Error(`Expected the write to be done, found it ${kind}`);
  }

  /** Ends it well. */
  complete(lease: Lease, more: Partial<Transition> = {}): Promise<void> {
    return this.done(this.move(lease, { name: "complete", parent: null, holdsSlot: false, ...more }));
  }

  suspend(lease: Lease, wakeInMs: number | null = null, seenInbox = 0): Promise<void> {
    return this.done(this.move(lease, { name: "suspend", wakeInMs }, { seenInbox }));
  }

  park(lease: Lease): Promise<void> {
    return this.done(
      this.move(lease, { name: "park", incident: { code: "STEP_DRIFT", step: "charge", error: bytes(4) } }),
    );
  }

  /** Its owner dies: a successor registers under the same name, so that the lease is over at once. */
  async crash(worker: TestWorker): Promise<TestWorker> {
    return this.worker({ name: worker.name });
  }

  cancel(id: ExecutionId) {
    return this.store.commands.cancel({ id, reason: "canceled", actor: person, note: null });
  }

  kill(id: ExecutionId) {
    return this.store.commands.kill({ id, actor: person, note: "by hand" });
  }

  resume(id: ExecutionId, resetAttempts = false) {
    return this.store.commands.resume({ id, resetAttempts, actor: person, note: null });
  }

  settle(id: ExecutionId, as: "completed" | "compensated" = "completed") {
    return this.store.commands.settle({ id, as, result: bytes(5), error: null, actor: person, note: null });
  }

  signal(id: ExecutionId, signalId: string, name = "paid") {
    return this.store.commands.signal({ id, signalId, name, payload: bytes(8), actor: person });
  }

  async find(id: ExecutionId): Promise<ExecutionRow> {
    const found = await this.store.reads.find(id);
    if (found === null) throw new Error(`Expected execution ${id}, found none`);
    return found;
  }

  async load(id: ExecutionId) {
    const loaded = (await this.store.executions.load([id])).get(id);
    if (loaded === undefined) throw new Error(`Expected ${id} to be loaded, found nothing`);
    return loaded;
  }

  history(id: ExecutionId) {
    return this.store.reads.history(id);
  }
}

export function directionOf(name: Transition["name"]): Write["direction"] {
  if (name === "compensated") return "back";
  return name === "suspend" || name === "park" || name === "hand-back" ? "any" : "forward";
}

export const leaseOf = (claimed: { readonly id: ExecutionId; readonly token: number }): Lease => ({
  executionId: claimed.id,
  token: claimed.token,
});
export const idsOf = (rows: readonly { readonly id: ExecutionId }[]): readonly ExecutionId[] =>
  rows.map((row) => row.id);

export function only<T>(list: readonly T[]): T {
  const [first] = list;
  if (first === undefined || list.length > 1) throw new Error(`Expected exactly one, found ${list.length}`);
  return first;
}
