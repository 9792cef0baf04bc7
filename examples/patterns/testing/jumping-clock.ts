/** A store whose database's clock is ahead of the true one, by as much as the test says: hours pass without anybody waiting. */
import type { Store } from "makegood";
import { mysql } from "makegood/mysql";
import { postgres } from "makegood/postgres";
import { sqlite } from "makegood/sqlite";
import { createPool } from "mysql2";
import pg from "pg";
import type { Place } from "./clients.ts";

export interface JumpingClock {
  /** A store value, as each process would have one. */
  newStore(): Store;
  /** From now on the clock is ahead by so much. */
  jump(aheadMs: number): Promise<void>;
  /** What the clock says, in epoch ms. */
  now(): number;
  close(): Promise<void>;
}

/** Jump when a process has made the engine's tables; close when its stores are closed. */
export function jumpingClock({ kind, url }: Place): JumpingClock {
  let aheadMs = 0;
  const now = (): number => Date.now() + aheadMs;
  const { newStore, tell, close } = openers[kind](url, () => aheadMs);
  const jump = async (byMs: number): Promise<void> => {
    aheadMs = byMs;
    await tell(byMs);
  };
  return { newStore, jump, now, close: () => jump(0).then(close) };
}

interface Opener {
  readonly newStore: () => Store;
  /** Tells the server. */
  readonly tell: (aheadMs: number) => Promise<unknown>;
  readonly close: () => Promise<void>;
}

const openers = { sqlite: openSqlite, postgres: openPostgres, mariadb: openMariadb } as const;

function openSqlite(file: string, ahead: () => number): Opener {
  const clock = { now: () => Date.now() + ahead() };
  return { newStore: () => sqlite(file, { clock }), tell: async () => {}, close: async () => {} };
}

/** All of the store's times come from one function. A lie of the server's own clock would say the same. */
function openPostgres(connectionString: string): Opener {
  const pool = new pg.Pool({ connectionString, max: 20 });
  const tell = (aheadMs: number) =>
    pool.query(`CREATE OR REPLACE FUNCTION makegood.now_ms() RETURNS bigint LANGUAGE sql VOLATILE
      AS $$ SELECT floor(extract(epoch FROM clock_timestamp()) * 1000)::bigint + ${aheadMs} $$`);
  return { newStore: () => postgres(pool, { migrate: true }), tell, close: () => pool.end() };
}

/** The store asks the server's clock in each statement: it is put ahead there, on its way to the server. */
function openMariadb(uri: string, ahead: () => number): Opener {
  const pool = createPool({ uri, connectionLimit: 20 });
  pool.on("connection", (connection) => {
    const query = connection.query.bind(connection) as (...args: readonly unknown[]) => unknown;
    connection.query = ((options: { readonly sql: string }, ...rest: readonly unknown[]) => {
      const clock = `(UTC_TIMESTAMP(6) + INTERVAL ${ahead()} * 1000 MICROSECOND)`;
      return query({ ...options, sql: options.sql.replaceAll("UTC_TIMESTAMP(6)", clock) }, ...rest);
    }) as typeof connection.query;
  });
  return {
    newStore: () => mysql(pool, { migrate: true }),
    tell: async () => {},
    close: () => new Promise((resolve) => pool.end(() => resolve())),
  };
}
