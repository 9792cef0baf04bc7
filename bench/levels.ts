// One unit of work on each level of docs/choosing.md: the same small effect, protected in another way. In the user's own tables;
// of a job they are in the engine's database.
import {
  type AnyJob,
  type App,
  every,
  idempotent,
  job,
  type Participant,
  reconcile,
  stateMachine,
  type TxAdapter,
  topic,
} from "../src/index.ts";

/** Synchronous and asynchronous clients behind one face. What they give in a body is no promise on SQLite. */
export type AnyAdapter = TxAdapter<unknown, "async">;
export type AnyParticipant = Participant<unknown, "async">;

/** In the order of the page. */
export const levels = [
  "statement",
  "unique",
  "move",
  "version",
  "version with key",
  "once",
  "record",
  "lock",
  "transaction",
  "steps",
  "undo",
  "tcc",
  "tcc canceled",
  "message",
  "later",
  "scan",
] as const;
export type Level = (typeof levels)[number];

export interface Levels {
  readonly jobs: readonly AnyJob[];
  /** Rows `0` to `count - 1`, of which each unit takes one. */
  prepare(count: number): Promise<void>;
  /** Does it to row `n`; `app` works, and has the jobs. */
  run(level: Level, app: App, n: number): Promise<unknown>;
  /** How many effects are there: one for each unit of a level that has one. */
  countEffects(): Promise<number>;
}

const tables = [
  "CREATE TABLE bench_row (id integer PRIMARY KEY, state varchar(20) NOT NULL, version integer NOT NULL, held integer NOT NULL)",
  "CREATE TABLE bench_effect (id integer PRIMARY KEY)",
];
const states = { created: { on: { pay: "paid" } }, paid: { final: true } } as const;
const done = topic<number>("bench.done");
const rowsPerInsert = 500;
const never = { irreversible: "never undone here" } as const;

/** Makes the tables. `on` is the participant on that adapter, migrated. */
export async function openLevels(adapter: AnyAdapter, on: AnyParticipant): Promise<Levels> {
  const sql = (text: string): string => (adapter.dialect === "postgres" ? text : text.replaceAll(/\$\d/g, "?"));
  const query = (tx: unknown, text: string, ...values: readonly unknown[]) => adapter.query(tx, sql(text), values);
  /** For bodies whose result is stored. */
  const change = (tx: unknown, text: string, ...values: readonly unknown[]): Promise<void> => {
    const rows: unknown = query(tx, text, ...values);
    return (rows instanceof Promise ? rows.then(() => undefined) : undefined) as Promise<void>;
  };
  const inTransaction = async (body: (tx: unknown) => unknown): Promise<unknown> => adapter.transaction(body);
  const insert = (tx: unknown, n: number) => change(tx, "INSERT INTO bench_effect (id) VALUES ($1)", n);
  const pay = (tx: unknown, n: number) => change(tx, "UPDATE bench_row SET state = 'paid' WHERE id = $1", n);
  const hold = (tx: unknown, n: number, by: number) =>
    change(tx, "UPDATE bench_row SET held = held + $1 WHERE id = $2", by, n);
  for (const table of tables) await inTransaction((tx) => query(tx, table));

  const order = stateMachine(on, "order", { table: "bench_row", initial: "created", states });
  const version = { table: "bench_row", version: 1, set: { state: "paid" } } as const;
  const record = idempotent({ on, scope: "bench", key: (n: number) => String(n) }, () => undefined);
  const branch = (what: string, n: number, fails: boolean) => ({
    try: (tx: unknown) => {
      if (fails) throw new Error(`${what}: no`);
      return hold(tx, n, 1);
    },
    confirm: (tx: unknown) => pay(tx, n),
    cancel: (tx: unknown) => hold(tx, n, -1),
    retry: { maxAttempts: 1 },
  });
  const steps = job<number>("steps", {}, async (ctx, n) => {
    await ctx.tx(on, "one", { run: (tx) => hold(tx, n, 1), compensate: (tx) => hold(tx, n, -1) });
    await ctx.tx(on, "two", { run: (tx) => pay(tx, n), compensate: (tx) => pay(tx, n) });
  });
  const undo = job<number>("undo", {}, async (ctx, n) => {
    await ctx.tx(on, "one", { run: (tx) => hold(tx, n, 1), compensate: (tx) => hold(tx, n, -1) });
    await ctx.tx(on, "two", { run: () => Promise.reject(new Error("no")), ...never, retry: { maxAttempts: 1 } });
  });
  const tcc = (name: string, fails: boolean) =>
    job<number>(name, {}, async (ctx, n) => {
      await ctx.tcc(on, "stock", branch("stock", n, false));
      await ctx.tcc(on, "balance", branch("balance", n, fails));
    });
  const [confirmed, canceled] = [tcc("tcc", false), tcc("tcc-canceled", true)];
  const later = job<number>("later", {}, async () => {});
  const scan = reconcile("scan", {
    schedule: every("1d"),
    window: "1h",
    find: () => [],
    key: String,
    fix: later,
    input: Number,
  });
  const ended = (started: AnyJob, input?: unknown) => async (app: App) => (await app.start(started, input)).outcome();

  const works: Readonly<Record<Level, (app: App, n: number) => Promise<unknown>>> = {
    statement: (_, n) => inTransaction((tx) => pay(tx, n)),
    unique: (_, n) => inTransaction((tx) => insert(tx, n)),
    move: (_, n) => inTransaction((tx) => order.move(tx, { id: n, state: "created" }, "pay")),
    version: (_, n) => inTransaction((tx) => on.updateVersioned(tx, { ...version, id: n })),
    "version with key": (_, n) => inTransaction((tx) => on.updateVersioned(tx, { ...version, id: n, key: `k ${n}` })),
    once: (_, n) => inTransaction((tx) => on.once(tx, { scope: "bench", key: `once ${n}` }, () => insert(tx, n))),
    record: (_, n) => record(n),
    lock: (_, n) => on.lock(`row ${n}`, {}, () => undefined),
    transaction: (_, n) =>
      inTransaction((tx) =>
        both(
          () => insert(tx, n),
          () => pay(tx, n),
        ),
      ),
    steps: (app, n) => ended(steps, n)(app),
    undo: (app, n) => ended(undo, n)(app),
    tcc: (app, n) => ended(confirmed, n)(app),
    "tcc canceled": (app, n) => ended(canceled, n)(app),
    message: (_, n) => inTransaction((tx) => on.publish(tx, done, n)),
    later: (app, n) => app.start(later, n, { delay: "1d" }),
    scan: (app) => ended(scan)(app),
  };
  return {
    jobs: [steps, undo, confirmed, canceled, later, scan],
    async prepare(count) {
      for (let from = 0; from < count; from += rowsPerInsert) {
        const ids = Array.from({ length: Math.min(rowsPerInsert, count - from) }, (_, at) => from + at);
        const rows = ids.map((id) => `(${id}, 'created', 1, 0)`).join(", ");
        await inTransaction((tx) => query(tx, `INSERT INTO bench_row (id, state, version, held) VALUES ${rows}`));
      }
    },
    run: (level, app, n) => works[level](app, n),
    countEffects: async () => {
      const count = (await inTransaction((tx) => query(tx, countSql))) as readonly { readonly count?: unknown }[];
      return Number(count[0]?.count);
    },
  };
}

const countSql = `SELECT (SELECT count(*) FROM bench_row WHERE state = 'paid') + (SELECT count(*) FROM bench_effect) AS count`;

/** One after the other: at once on a client that does not wait. */
function both(one: () => unknown, other: () => unknown): unknown {
  const first = one();
  return first instanceof Promise ? first.then(other) : other();
}
