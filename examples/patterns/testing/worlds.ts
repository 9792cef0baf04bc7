/** The shop on each database, for the patterns' tests: as real as it gets, and emptied before each test. */
import { Kysely, MysqlDialect, PostgresDialect } from "kysely";
import { type AnyJob, type App, makegood, participant, type Store } from "makegood";
import { kysely } from "makegood/kysely";
import { mysql } from "makegood/mysql";
import { postgres } from "makegood/postgres";
import { createPool } from "mysql2";
import pg from "pg";
import { afterAll, afterEach, beforeAll, beforeEach, describe, vi } from "vitest";
import { describeWithMariadb, describeWithPostgres } from "../../../test/services/describe.ts";
import { type Embedded, openEmbedded } from "../embedded.ts";
import { createTables, emptyTables, type ShopTables } from "../shop.ts";

export interface World extends Omit<Embedded, "run" | "another"> {
  readonly kind: "sqlite" | "postgres" | "mariadb";
  /** Another in each test: for ids and keys that shall not meet those of other tests. */
  readonly namespace: string;
  /** Whether the apps of all tests have one namespace: what subscribes to messages is known by it, and waited for. */
  readonly hasMessages: boolean;
  /** A client whose pool has one connection, so that the next caller gets the connection of the one before. */
  oneConnection(): Embedded["db"];
  /** An app that works; it is stopped at the end of the test. */
  run(...jobs: readonly AnyJob[]): Promise<App>;
}

type Opened = Omit<World, "run" | "namespace" | "hasMessages">;

/** With room for walks over every point on a machine that has other things to do. */
const testTimeout = 150_000;

/** Runs the suite on SQLite, PostgreSQL and MariaDB. The world may be used inside tests and hooks. */
export function describeWorlds(name: string, suite: Suite, { hasMessages = false } = {}): void {
  const on = (open: () => Promise<Opened>): void => suiteOn(open, suite, hasMessages);
  describe(`${name} on SQLite`, () => on(openSqlite));
  describeWithPostgres(`${name} on PostgreSQL`, (database) => on(() => openPostgres(database.url)));
  describeWithMariadb(`${name} on MariaDB`, (database) => on(() => openMariadb(database.url)));
}

/** As `describeWorlds`, on SQLite alone: for what no database of a shop decides. */
export function describeEmbedded(name: string, suite: Suite): void {
  describe(name, () => suiteOn(openSqlite, suite, false));
}

type Suite = (world: World) => void;

function suiteOn(open: () => Promise<Opened>, suite: Suite, hasMessages: boolean): void {
  vi.setConfig({ testTimeout });
  let opened: Opened | undefined;
  let apps: App[] = [];
  let count = 0;
  const world = new Proxy({} as World, {
    get(_, name) {
      if (opened === undefined) throw new Error("Expected to be read inside a test or hook, found outside");
      if (name === "namespace") return `test-${count}`;
      if (name === "run") return run;
      if (name === "hasMessages") return hasMessages;
      return Reflect.get(opened, name);
    },
  });
  const run = async (...jobs: readonly AnyJob[]): Promise<App> => {
    const app = newApp(world, world.newStore());
    apps.push(app);
    app.register(...jobs);
    await app.run();
    return app;
  };
  beforeAll(async () => {
    opened = await open();
  });
  beforeEach(async () => {
    count++;
    await emptyTables(world.db);
  });
  afterEach(async () => {
    for (const app of apps) await app.stop({ graceMs: 0 });
    apps = [];
  });
  afterAll(() => opened?.close());
  suite(world);
}

interface Life {
  readonly namespace: string;
  /** Of the shop, for its messages: a dead process relays none. */
  readonly relays: World["shop"];
}

/** Silent, since faults are what the tests are about. */
export function newApp(world: World, store: Store, life: Partial<Life> = {}): App {
  const { namespace = world.namespace, relays = world.shop } = life;
  const log = { debug() {}, info() {}, warn() {}, error() {} };
  // Messages that a dead process had are taken over when its lease is out.
  const more = world.hasMessages ? ({ namespace: "shop", lease: "1s" } as const) : { namespace };
  return makegood({ store, workerName: "shop-1", poll: "20ms", participants: [relays], log, ...more });
}

async function openSqlite(): Promise<Opened> {
  const { another, run: _, ...embedded } = await openEmbedded();
  return { ...embedded, kind: "sqlite", oneConnection: another };
}

async function openPostgres(url: string): Promise<Opened> {
  const newPool = (max: number): pg.Pool => {
    // Each store of the dead listens to it.
    const pool = new pg.Pool({ connectionString: url, max }).setMaxListeners(0);
    return pool.on("error", () => undefined);
  };
  const [enginePool, pool] = [newPool(20), newPool(10)];
  const db = new Kysely<ShopTables>({ dialect: new PostgresDialect({ pool }) });
  const adapter = kysely(db, { dialect: "postgres", pool });
  return {
    ...(await settle("postgres", db, adapter)),
    newStore: () => postgres(enginePool, { migrate: true }),
    oneConnection: () => new Kysely<ShopTables>({ dialect: new PostgresDialect({ pool: newPool(1) }) }),
    async close() {
      await db.destroy();
      await enginePool.end();
    },
  };
}

async function openMariadb(uri: string): Promise<Opened> {
  const newPool = (connectionLimit: number) => createPool({ uri, connectionLimit });
  const enginePool = newPool(30);
  const db = new Kysely<ShopTables>({ dialect: new MysqlDialect({ pool: newPool(10) }) });
  const adapter = kysely(db, { dialect: "mysql" });
  return {
    ...(await settle("mariadb", db, adapter)),
    newStore: () => mysql(enginePool, { migrate: true }),
    oneConnection: () => new Kysely<ShopTables>({ dialect: new MysqlDialect({ pool: newPool(1) }) }),
    async close() {
      await db.destroy();
      await new Promise((resolve) => enginePool.end(resolve));
    },
  };
}

async function settle<K extends World["kind"]>(kind: K, db: Embedded["db"], adapter: Embedded["adapter"]) {
  const shop = participant("shop", adapter);
  await createTables(db);
  await shop.migrate();
  return { kind, db, adapter, shop };
}
