import { type Participant, participant, RefusedError, type TxAdapter } from "../../index.ts";
import { DemoError } from "./demo-error.ts";
import { type Book, bookNames, type Database, databases, type Movement, books as tables } from "./movements.ts";
import { maxChargePence } from "./orders.ts";

type Awaitable<T> = T | PromiseLike<T>;

/** Is told of every movement. It makes the demo watchable, and killable at the worst moments; a real job has none. */
export interface Watch {
  /** Inside the participant's transaction, before the row is added. Synchronous where the participant is. */
  beforeAppend(movement: Movement): Awaitable<void>;
  /** After a commit without our guard, before the engine hears of it. */
  afterAppendAlone(movement: Movement): Awaitable<void>;
}

export const noWatch: Watch = { beforeAppend() {}, afterAppendAlone() {} };

/** The participants' databases: three of them, with the books. `Tx` is what a transaction is in their client. */
export interface Books<Tx> {
  readonly participants: Readonly<Record<Database, Participant<Tx, "async">>>;
  databaseOf(movement: Movement): Database;
  /** Creates the books, and makegood's own tables beside them. Safe twice. */
  create(): Promise<void>;
  /** Adds a row to a book inside the participant's transaction. The accounts refuse a charge above their limit for good. */
  append(tx: Tx, movement: Movement): Awaitable<void>;
  /** The same in a transaction of its own, without any guard. */
  appendAlone(movement: Movement): Promise<void>;
  /** Every row of every book, as the databases have them now. */
  readAll(): Promise<readonly Movement[]>;
  close(): Promise<void>;
}

export interface BooksOptions<Tx> {
  /**
   * One client for each database. One text serves both modes: where the client is synchronous (node:sqlite), `append`
   * answers at once, as the engine demands there. So a synchronous adapter is let in under the asynchronous type.
   */
  readonly adapters: Readonly<Record<Database, TxAdapter<Tx, "async">>>;
  readonly watch: Watch;
  readonly close: () => Promise<void>;
}

export function makeBooks<Tx>({ adapters, watch, close }: BooksOptions<Tx>): Books<Tx> {
  const dialect = adapters.orders.dialect === "postgres" ? postgres : sqlite;
  const databaseOf = (movement: Movement): Database => tables[movement.book].database;

  const append = (tx: Tx, movement: Movement): Awaitable<void> => {
    refuseBigCharge(movement);
    const insert = (): Awaitable<unknown> =>
      adapters[databaseOf(movement)].query(tx, dialect.insert(movement.book), valuesOf(movement));
    const watched = watch.beforeAppend(movement);
    return done(isPromise(watched) ? watched.then(insert) : insert());
  };

  const participants = {
    orders: participant("orders", adapters.orders),
    stock: participant("stock", adapters.stock),
    accounts: participant("accounts", adapters.accounts),
  };
  return {
    participants,
    databaseOf,
    append,
    async create() {
      for (const book of bookNames) {
        const adapter = adapters[tables[book].database];
        await adapter.transaction((tx) => done(adapter.query(tx, dialect.create(book), [])));
      }
      for (const database of databases) await participants[database].migrate();
    },
    async appendAlone(movement) {
      await adapters[databaseOf(movement)].transaction((tx) => append(tx, movement));
      await watch.afterAppendAlone(movement);
    },
    async readAll() {
      const all: Movement[] = [];
      for (const book of bookNames) {
        const adapter = adapters[tables[book].database];
        const rows = await adapter.transaction((tx) => adapter.query(tx, dialect.select(book), []));
        all.push(...rows.map((row) => movementOf(book, row)));
      }
      return all;
    },
    close,
  };
}

function refuseBigCharge(movement: Movement): void {
  if (movement.step !== "charge" || movement.amount <= maxChargePence) return;
  throw new RefusedError(`A charge of ${movement.amount} pence is above the limit of ${maxChargePence}`, {
    code: "CHARGE_TOO_LARGE",
  });
}

// ── SQL ─────────────────────────────────────────────────────────────────────────────────────────────────────────────

interface BookDialect {
  create(book: Book): string;
  insert(book: Book): string;
  select(book: Book): string;
}

const sqlite: BookDialect = {
  create(book) {
    const { table, subject, amount } = tables[book];
    return `CREATE TABLE IF NOT EXISTS ${table} (id INTEGER PRIMARY KEY, job TEXT NOT NULL, invoice TEXT NOT NULL, step TEXT NOT NULL, ${subject} TEXT NOT NULL, ${amount} INTEGER NOT NULL) STRICT`;
  },
  insert(book) {
    const { table, subject, amount } = tables[book];
    return `INSERT INTO ${table} (job, invoice, step, ${subject}, ${amount}) VALUES (?, ?, ?, ?, ?)`;
  },
  select(book) {
    const { table, subject, amount } = tables[book];
    return `SELECT job, invoice, step, ${subject} AS subject, ${amount} AS amount FROM ${table} ORDER BY id`;
  },
};

const postgres: BookDialect = {
  create(book) {
    const { table, subject, amount } = tables[book];
    return `CREATE TABLE IF NOT EXISTS ${table} (id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY, job TEXT NOT NULL, invoice TEXT NOT NULL, step TEXT NOT NULL, ${subject} TEXT NOT NULL, ${amount} BIGINT NOT NULL)`;
  },
  insert(book) {
    const { table, subject, amount } = tables[book];
    return `INSERT INTO ${table} (job, invoice, step, ${subject}, ${amount}) VALUES ($1, $2, $3, $4, $5)`;
  },
  select: sqlite.select,
};

function valuesOf({ job, invoice, step, subject, amount }: Movement): readonly unknown[] {
  return [job, invoice, step, subject, amount];
}

/** PostgreSQL's clients give BIGINT as text. */
function movementOf(book: Book, row: Readonly<Record<string, unknown>>): Movement {
  const { job, invoice, step, subject, amount } = row;
  if (job !== "place-order" && job !== "cancel-order") throw new DemoError(`Expected a job of the demo, found ${job}`);
  return { book, job, invoice: String(invoice), step: String(step), subject: String(subject), amount: Number(amount) };
}

const isPromise = (value: unknown): value is Promise<unknown> => value instanceof Promise;

/** Drops the value; waits only where there is something to wait for. */
function done(value: Awaitable<unknown>): Awaitable<void> {
  return isPromise(value) ? value.then(() => undefined) : undefined;
}
