/** The shop's database through the user's client, and the engine's store on the same database. */
import { type Dialect, Kysely, type KyselyConfig, MysqlDialect, PostgresDialect, SqliteDialect } from "kysely";
import { participant, type Store } from "makegood";
import { kysely } from "makegood/kysely";
import { mysql } from "makegood/mysql";
import { postgres } from "makegood/postgres";
import { sqlite } from "makegood/sqlite";
import { createPool } from "mysql2";
import pg from "pg";
import { openNodeSqlite } from "../embedded.ts";
import type { Shop, ShopDb, ShopTables } from "../shop.ts";

export interface Place {
  readonly kind: "sqlite" | "postgres" | "mariadb";
  /** A file, or an address. */
  readonly url: string;
}

export interface Client {
  readonly db: ShopDb;
  readonly adapter: ReturnType<typeof kysely<ShopTables>>;
  readonly shop: Shop;
  /** A store value on the same database, as another process would have. */
  newStore(): Store;
  /** A client whose pool has one connection, so that the next caller gets the connection of the one before. */
  oneConnection(): ShopDb;
  close(): Promise<void>;
}

/** `log`: is told of each statement when it has been carried out. */
export function connect({ kind, url }: Place, log?: KyselyConfig["log"]): Client {
  const { adapterOf, newStore, dialectOf, close } = openers[kind](url);
  const db = new Kysely<ShopTables>({ dialect: dialectOf(10), ...(log !== undefined && { log }) });
  const adapter = adapterOf(db);
  return {
    ...{ db, adapter, shop: participant("shop", adapter), newStore },
    oneConnection: () => new Kysely<ShopTables>({ dialect: dialectOf(1) }),
    async close() {
      await db.destroy();
      await close();
    },
  };
}

interface Opener {
  readonly dialectOf: (max: number) => Dialect;
  readonly adapterOf: (db: ShopDb) => Client["adapter"];
  readonly newStore: () => Store;
  readonly close: () => Promise<void>;
}

const openers = { sqlite: openSqlite, postgres: openPostgres, mariadb: openMariadb } as const;

function openSqlite(file: string): Opener {
  return {
    dialectOf: () => new SqliteDialect({ database: openNodeSqlite(file) }),
    adapterOf: (db) => kysely(db, { dialect: "sqlite" }),
    newStore: () => sqlite(file),
    close: async () => {},
  };
}

function openPostgres(connectionString: string): Opener {
  const newPool = (max: number): pg.Pool => {
    // Each store of the dead listens to it.
    const pool = new pg.Pool({ connectionString, max }).setMaxListeners(0);
    return pool.on("error", () => undefined);
  };
  const enginePool = newPool(20);
  return {
    dialectOf: (max) => new PostgresDialect({ pool: newPool(max) }),
    adapterOf: (db) => kysely(db, { dialect: "postgres" }),
    newStore: () => postgres(enginePool, { migrate: true }),
    close: () => enginePool.end(),
  };
}

function openMariadb(uri: string): Opener {
  const newPool = (connectionLimit: number) => createPool({ uri, connectionLimit });
  const enginePool = newPool(30);
  return {
    dialectOf: (max) => new MysqlDialect({ pool: newPool(max) }),
    adapterOf: (db) => kysely(db, { dialect: "mysql" }),
    newStore: () => mysql(enginePool, { migrate: true }),
    close: () => new Promise((resolve) => enginePool.end(() => resolve())),
  };
}
