/** A participant's book: append-only, without a unique key on the effect, so that a second effect shows. */
import { randomUUID } from "node:crypto";
import type { DatabaseSync } from "node:sqlite";
import type mysql from "mysql2/promise";
import type pg from "pg";
import type { Participant } from "../../../src/core/participant.ts";

export interface Effect {
  readonly place: string;
  readonly what: string;
  /** Made up when the effect happens; an undo and a confirmation note the receipt that they were handed. */
  readonly receipt: string;
  /** Of a clock that all processes of this machine share, so that effects in several places have an order. */
  readonly at: number;
}

export interface Book {
  readonly place: string;
  /** Its bodies are synchronous where the client is; the engine takes a plain value from either kind. */
  readonly on: Participant<unknown, "async">;
  /** Notes an effect in this transaction and gives its receipt back. */
  add(tx: unknown, what: string, receipt: string): string | Promise<string>;
  effects(): Promise<readonly Effect[]>;
}

/** A receipt that nobody has been given before; it tells for whom and for what it is. */
export const newReceipt = (key: string, what: string): string => `${key}/${what}/${randomUUID()}`;

export const monotonicUs = (): number => Number(process.hrtime.bigint() / 1_000n);

export const bookTables = {
  sqlite:
    "CREATE TABLE IF NOT EXISTS effect (n INTEGER PRIMARY KEY, world TEXT NOT NULL, what TEXT NOT NULL, receipt TEXT NOT NULL, at INTEGER NOT NULL)",
  postgres:
    "CREATE TABLE IF NOT EXISTS effect (n SERIAL PRIMARY KEY, world TEXT NOT NULL, what TEXT NOT NULL, receipt TEXT NOT NULL, at BIGINT NOT NULL)",
  mariadb:
    "CREATE TABLE IF NOT EXISTS effect (n BIGINT AUTO_INCREMENT PRIMARY KEY, world TEXT NOT NULL, what TEXT NOT NULL, receipt TEXT NOT NULL, at BIGINT NOT NULL) ENGINE = InnoDB",
} as const;

interface Opened<Tx> {
  readonly place: string;
  readonly world: string;
  readonly on: Participant<Tx>;
  /** Called around the note. */
  readonly at: (point: string) => void;
}

export function sqliteBook(db: DatabaseSync, { place, world, on, at }: Opened<DatabaseSync>): Book {
  return {
    place,
    on: on as unknown as Book["on"],
    add(tx, what, receipt) {
      at(`effect: ${place} ${what}: body begins`);
      const insert = (tx as DatabaseSync).prepare("INSERT INTO effect (world, what, receipt, at) VALUES (?, ?, ?, ?)");
      insert.run(world, what, receipt, monotonicUs());
      at(`effect: ${place} ${what}: body returns`);
      return receipt;
    },
    async effects() {
      const rows = db.prepare("SELECT what, receipt, at FROM effect WHERE world = ? ORDER BY n").all(world);
      return rows.map((row) => ({
        place,
        what: `${row["what"]}`,
        receipt: `${row["receipt"]}`,
        at: Number(row["at"]),
      }));
    },
  };
}

export function postgresBook(pool: pg.Pool, opened: Opened<pg.PoolClient>): Book {
  return serverBook(opened, {
    insert: (tx, values) =>
      tx.query("INSERT INTO effect (world, what, receipt, at) VALUES ($1, $2, $3, $4)", [...values]),
    select: async (world) =>
      (await pool.query<EffectRow>("SELECT what, receipt, at FROM effect WHERE world = $1 ORDER BY n", [world])).rows,
  });
}

export function mariadbBook(pool: mysql.Pool, opened: Opened<mysql.PoolConnection>): Book {
  return serverBook(opened, {
    insert: (tx, values) => tx.query("INSERT INTO effect (world, what, receipt, at) VALUES (?, ?, ?, ?)", [...values]),
    select: async (world) => {
      const select = "SELECT what, receipt, at FROM effect WHERE world = ? ORDER BY n";
      return (await pool.query<(EffectRow & mysql.RowDataPacket)[]>(select, [world]))[0];
    },
  });
}

interface EffectRow {
  readonly what: string;
  readonly receipt: string;
  readonly at: string | number;
}

interface Statements<Tx> {
  insert(tx: Tx, values: readonly (string | number)[]): Promise<unknown>;
  select(world: string): Promise<readonly EffectRow[]>;
}

function serverBook<Tx>({ place, world, on, at }: Opened<Tx>, { insert, select }: Statements<Tx>): Book {
  return {
    place,
    on: on as unknown as Book["on"],
    async add(tx, what, receipt) {
      at(`effect: ${place} ${what}: body begins`);
      await insert(tx as Tx, [world, what, receipt, monotonicUs()]);
      at(`effect: ${place} ${what}: body returns`);
      return receipt;
    },
    async effects() {
      const rows = await select(world);
      return rows.map((row) => ({ place, what: row.what, receipt: row.receipt, at: Number(row.at) }));
    },
  };
}
