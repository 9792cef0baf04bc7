// What work costs the store, held at what it costs today: a change that makes it dearer fails here, on any machine. One that
// makes it cheaper lowers the limit with it.
import { type AnyJob, type App, job, RefusedError } from "makegood";
import { afterEach, describe, expect, it } from "vitest";
import { describeWithMariadb, describeWithPostgres } from "../services/describe.ts";
import {
  type AnyParticipant,
  type Costs,
  type Ledger,
  openMariadbLedger,
  openPostgresLedger,
  openSqliteLedger,
} from "./costs.ts";

const atOnce = 64;
const backlog = 1_000;

interface Work {
  readonly does: string;
  readonly units: number;
  readonly run: (app: App) => Promise<unknown>;
  /** Per unit, by store. `flushes` are the engine's own commits, `commits` all that wrote. */
  readonly limits: {
    readonly sqlite: { readonly flushes: number; readonly commits: number };
    readonly postgres: { readonly flushes: number; readonly roundTrips: number };
    readonly mariadb: { readonly flushes: number; readonly roundTrips: number };
  };
}

const noop = job("noop", {}, () => undefined);

const threeSteps = job("three-steps", {}, async (ctx) => {
  for (const name of ["one", "two", "three"]) await ctx.step(name, { run: () => 1, irreversible: "does nothing" });
});

const threeEarly = job("three-early", { results: "early" }, async (ctx) => {
  for (const name of ["one", "two", "three"]) await ctx.step(name, { run: () => 1, irreversible: "does nothing" });
});

const saga = job("saga", {}, async (ctx) => {
  for (const name of ["one", "two"]) await ctx.step(name, { run: () => 1, compensate: () => undefined });
  await ctx.step("three", {
    run: () => {
      throw new RefusedError("sold out");
    },
    irreversible: "never happens",
  });
});

const runs = (definition: AnyJob) => async (app: App) => (await app.start(definition, undefined)).outcome();
const oneByOne = (count: number, one: (app: App) => Promise<unknown>) => async (app: App) => {
  for (let n = 0; n < count; n++) await one(app);
};
const together = (count: number, one: (app: App) => Promise<unknown>) => (app: App) =>
  Promise.all(Array.from({ length: count }, () => one(app)));

const works: readonly Work[] = [
  {
    does: "a job of three steps alone",
    units: 10,
    run: oneByOne(10, runs(threeSteps)),
    limits: {
      sqlite: { flushes: 5, commits: 5 },
      postgres: { flushes: 5, roundTrips: 5 },
      mariadb: { flushes: 5, roundTrips: 15 },
    },
  },
  {
    does: `${atOnce} jobs of three steps at once`,
    units: 1,
    run: together(atOnce, runs(threeSteps)),
    limits: {
      sqlite: { flushes: 5, commits: 5 },
      postgres: { flushes: 5, roundTrips: 5 },
      mariadb: { flushes: 5, roundTrips: 15 },
    },
  },
  {
    does: "a job of three steps that is handed their results early, alone",
    units: 10,
    run: oneByOne(10, runs(threeEarly)),
    limits: {
      sqlite: { flushes: 4, commits: 4 },
      postgres: { flushes: 4, roundTrips: 4 },
      mariadb: { flushes: 4, roundTrips: 13 },
    },
  },
  {
    does: "a saga that undoes two steps alone",
    units: 10,
    run: oneByOne(10, runs(saga)),
    limits: {
      sqlite: { flushes: 6, commits: 6 },
      postgres: { flushes: 6, roundTrips: 6 },
      mariadb: { flushes: 6, roundTrips: 20 },
    },
  },
  {
    does: `${atOnce} such sagas at once`,
    units: 1,
    run: together(atOnce, runs(saga)),
    limits: {
      sqlite: { flushes: 6, commits: 6 },
      postgres: { flushes: 6, roundTrips: 6 },
      mariadb: { flushes: 6, roundTrips: 20 },
    },
  },
  {
    does: "a job without steps alone",
    units: 10,
    run: oneByOne(10, runs(noop)),
    limits: {
      sqlite: { flushes: 2, commits: 2 },
      postgres: { flushes: 2, roundTrips: 2 },
      mariadb: { flushes: 2, roundTrips: 6 },
    },
  },
  {
    does: `${atOnce} jobs without steps at once`,
    units: 1,
    run: together(atOnce, runs(noop)),
    limits: {
      sqlite: { flushes: 2, commits: 2 },
      postgres: { flushes: 2, roundTrips: 2 },
      mariadb: { flushes: 2, roundTrips: 6 },
    },
  },
];

/** The user's transactions commit the records of the three steps; the start and the end are the engine's. */
const ownLimits = {
  sqlite: { flushes: 2, commits: 5 },
  postgres: { flushes: 2, roundTrips: 5 },
  mariadb: { flushes: 2, roundTrips: 27 },
} as const;
/** Beside the flushes the other processes are told, on PostgreSQL, once in 5 ms; after a quiet moment by the flush itself. */
const enqueueLimits = {
  sqlite: { flushes: 1, commits: 1 },
  postgres: { flushes: 1, roundTrips: 2 },
  mariadb: { flushes: 1, roundTrips: 3 },
} as const;
/** For the whole backlog, with the worker's start and end. */
const backlogLimits = {
  sqlite: { flushes: 2, commits: 9 },
  postgres: { flushes: 8, roundTrips: 30 },
  mariadb: { flushes: 8, roundTrips: 70 },
} as const;

function suite(store: keyof Work["limits"], open: () => Promise<Ledger>): void {
  let ledger: Ledger | undefined;
  afterEach(() => ledger?.close());
  const opened = async (): Promise<Ledger> => {
    ledger = await open();
    return ledger;
  };

  it.each(works)("$does", async ({ units, run, limits }) => {
    const costs = await opened();
    const app = costs.app(noop, threeSteps, threeEarly, saga);
    await app.run();
    await run(app);
    expectAtMost(await costs.costOf(units, () => run(app)), limits[store]);
  });

  it("a job of three transactions in the engine's own database alone", async () => {
    const costs = await opened();
    const definition = threeTransactions(await costs.own());
    const app = costs.app(definition);
    await app.run();
    await runs(definition)(app);
    expectAtMost(await costs.costOf(10, () => oneByOne(10, runs(definition))(app)), ownLimits[store]);
  });

  it(`${atOnce} jobs enqueued at once, and nobody works`, async () => {
    const costs = await opened();
    const app = costs.app(noop);
    const enqueue = together(atOnce, () => app.start(noop, undefined));
    await enqueue(app);
    expectAtMost(await costs.costOf(1, () => enqueue(app)), enqueueLimits[store]);
  });

  it(`a backlog of ${backlog} jobs, claimed and processed`, async () => {
    const costs = await opened();
    const adder = costs.app(noop);
    await together(backlog, () => adder.start(noop, undefined))(adder);
    const { definition, all } = countdown(backlog);
    const worker = costs.app(definition);
    await worker.open();
    const work = async (): Promise<void> => {
      await worker.run();
      await all;
      await worker.stop();
    };
    expectAtMost(await costs.costOf(1, work), backlogLimits[store]);
    expect((await adder.counts()).completed).toBe(backlog);
  });
}

function threeTransactions(own: AnyParticipant): AnyJob {
  return job("three-transactions", {}, async (ctx) => {
    for (const name of ["one", "two", "three"]) await ctx.tx(own, name, { run: () => 1, irreversible: "does nothing" });
  });
}

/** The same job as `noop`, and the moment when it has run so often. */
function countdown(times: number): { readonly definition: AnyJob; readonly all: Promise<void> } {
  const { promise, resolve } = Promise.withResolvers<void>();
  let left = times;
  return { definition: job("noop", {}, () => void (--left === 0 && resolve())), all: promise };
}

function expectAtMost(found: Costs, limits: Partial<Record<keyof Costs, number>>): void {
  for (const [what, limit] of Object.entries(limits))
    expect(found[what as keyof Costs], `${what} per unit`).toBeLessThanOrEqual(limit);
}

describe("work on SQLite costs no more than it did", () => suite("sqlite", openSqliteLedger));
describeWithPostgres("work on PostgreSQL costs no more than it did", (database) =>
  suite("postgres", () => openPostgresLedger(database.url)),
);
describeWithMariadb("work on MariaDB costs no more than it did", (database) =>
  suite("mariadb", () => openMariadbLedger(database.url)),
);
