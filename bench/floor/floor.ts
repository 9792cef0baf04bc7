// The floor: the least that a program can do which journals the rows of these suites in group commits. It has one queue in
// memory, without a timer: what arrives while a commit is in flight rides in the next one. It has no fence, lease, retry, key,
// replay, codec or schema, so nobody should use it; it says what the database and Node leave to be had.
import { expectEqual } from "../check.ts";
import type { CaseOptions, Contender, Meter, Place, RunCase, Sample } from "../contender.ts";
import { keepInFlight, measureLatency, measureRate } from "../measure.ts";
import { txWork } from "../tx-work.ts";

/** The rows of one commit. Ids are UUIDs in text. */
export interface Batch {
  readonly starts: string[];
  readonly steps: { readonly id: string; readonly name: string; readonly body: string }[];
  readonly ends: string[];
  readonly jobs: { readonly id: string; readonly isClaimed: boolean }[];
  readonly doneJobs: string[];
}

export interface FloorStore {
  readonly lanes: number;
  /** One commit. */
  flush(batch: Batch): Promise<void>;
  claim(limit: number): Promise<readonly string[]>;
  /** The user's statement `step` and the row of the step in one commit of their own; the last one ends the execution too. */
  tx(id: string, step: number, isLast: boolean): Promise<void>;
  count(what: "ended" | "jobs" | "paid orders"): Promise<number>;
  close(): Promise<void>;
}

const maxRecords = 1_000;
const claimLimit = 500;

class Journal {
  readonly store: FloorStore;
  #waiting: { readonly add: (batch: Batch) => void; readonly resolve: () => void }[] = [];
  #flights = 0;
  #isScheduled = false;
  #lastId = 0;

  constructor(store: FloorStore) {
    this.store = store;
  }

  newId(): string {
    return `00000000-0000-7000-8000-${(++this.#lastId).toString(16).padStart(12, "0")}`;
  }

  /** Settles when it is committed. */
  write(add: (batch: Batch) => void): Promise<void> {
    return new Promise((resolve) => {
      this.#waiting.push({ add, resolve });
      this.#schedule();
    });
  }

  start = (id: string): Promise<void> => this.write(({ starts }) => starts.push(id));
  step = (id: string, name: string): Promise<void> => this.write(({ steps }) => steps.push({ id, name, body: "1" }));
  lastStep = (id: string, name: string): Promise<void> =>
    this.write(({ steps, ends }) => {
      steps.push({ id, name, body: "1" });
      ends.push(id);
    });
  enqueue = (id: string, isClaimed: boolean): Promise<void> => this.write(({ jobs }) => jobs.push({ id, isClaimed }));
  finish = (id: string): Promise<void> => this.write(({ doneJobs }) => doneJobs.push(id));

  #schedule(): void {
    if (this.#isScheduled || this.#flights >= this.store.lanes || this.#waiting.length === 0) return;
    this.#isScheduled = true;
    setImmediate(() => {
      this.#isScheduled = false;
      void this.#flush();
    });
  }

  async #flush(): Promise<void> {
    const riders = this.#waiting.splice(0, maxRecords);
    const batch: Batch = { starts: [], steps: [], ends: [], jobs: [], doneJobs: [] };
    for (const { add } of riders) add(batch);
    this.#flights++;
    this.#schedule();
    await this.store.flush(batch);
    this.#flights--;
    for (const { resolve } of riders) resolve();
    this.#schedule();
  }
}

async function threeSteps(journal: Journal): Promise<void> {
  const id = journal.newId();
  await journal.start(id);
  await journal.step(id, "one");
  await journal.step(id, "two");
  await journal.lastStep(id, "three");
}

async function saga(journal: Journal): Promise<void> {
  const id = journal.newId();
  await journal.start(id);
  for (const name of ["one", "two", "three failed", "two undone"]) await journal.step(id, name);
  await journal.lastStep(id, "one undone");
}

async function ownTransactions(journal: Journal): Promise<void> {
  const id = journal.newId();
  await journal.start(id);
  for (const at of txWork.steps.keys()) await journal.store.tx(id, at, at === txWork.steps.length - 1);
}

type Unit = (journal: Journal) => Promise<void>;
type Check = (store: FloorStore, total: number) => Promise<void>;

const ended: Check = async (store, total) => expectEqual("ended executions", await store.count("ended"), total);
const jobsLeft = async (store: FloorStore, left: number): Promise<void> =>
  expectEqual("jobs left", await store.count("jobs"), left);

function atOnce(width: number, unit: Unit, check: Check) {
  return async (journal: Journal, { count, warmUp }: CaseOptions, meter?: Meter): Promise<Sample> => {
    await keepInFlight(width, warmUp, () => unit(journal));
    const sample = await measureRate(count, () => keepInFlight(width, count, () => unit(journal)), meter);
    await check(journal.store, warmUp + count);
    return sample;
  };
}

async function alone(journal: Journal, { count, warmUp }: CaseOptions, meter?: Meter): Promise<Sample> {
  await keepInFlight(1, warmUp, () => threeSteps(journal));
  return measureLatency(count, () => threeSteps(journal), meter);
}

/** Enqueued as already claimed. The adder goes on when the job is committed; its end rides in a later commit. */
async function endToEnd(journal: Journal, { count, warmUp }: CaseOptions, meter?: Meter): Promise<Sample> {
  const work = async (total: number): Promise<void> => {
    const ends: Promise<void>[] = [];
    await keepInFlight(64, total, async () => {
      const id = journal.newId();
      await journal.enqueue(id, true);
      ends.push(journal.finish(id));
    });
    await Promise.all(ends);
  };
  await work(warmUp);
  const sample = await measureRate(count, () => work(count), meter);
  await jobsLeft(journal.store, 0);
  return sample;
}

/** Claims of one worker go on while the ends of the last are committed. */
async function processBacklog(journal: Journal, { count, warmUp }: CaseOptions, meter?: Meter): Promise<Sample> {
  const work = async (): Promise<void> => {
    const ends: Promise<unknown>[] = [];
    for (;;) {
      const claimed = await journal.store.claim(claimLimit);
      if (claimed.length === 0) break;
      ends.push(Promise.all(claimed.map(journal.finish)));
    }
    await Promise.all(ends);
  };
  const enqueue = (total: number): Promise<void> =>
    keepInFlight(maxRecords, total, () => journal.enqueue(journal.newId(), false));
  await enqueue(warmUp);
  await work();
  await enqueue(count);
  const sample = await measureRate(count, work, meter);
  await jobsLeft(journal.store, 0);
  return sample;
}

const cases = {
  "jobs/process": processBacklog,
  "jobs/enqueue-64": atOnce(64, (journal) => journal.enqueue(journal.newId(), false), jobsLeft),
  "jobs/end-to-end-64": endToEnd,
  "steps/256": atOnce(256, threeSteps, ended),
  "steps/1": alone,
  "sagas/256": atOnce(256, saga, ended),
  "tx/64": atOnce(txWork.width, ownTransactions, async (store, total) => {
    await ended(store, total);
    expectEqual("paid orders", await store.count("paid orders"), total);
  }),
};

export function floorOn(
  needs: "postgres" | "sqlite",
  settings: string,
  versions: Contender["versions"],
  open: (place: Place) => Promise<FloorStore>,
): Contender {
  const run =
    (measure: (typeof cases)[keyof typeof cases]): RunCase =>
    async (place, options, meter) => {
      const store = await open(place);
      try {
        return await measure(new Journal(store), options, meter);
      } finally {
        await store.close();
      }
    };
  return {
    name: "floor",
    needs,
    settings,
    versions,
    cases: Object.fromEntries(Object.entries(cases).map(([id, measure]) => [id, run(measure)])),
  };
}
