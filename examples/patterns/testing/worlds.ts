/** The shop on each database, for the patterns' tests: as real as it gets, and emptied before each test. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type AnyJob, type App, makegood, type Store } from "makegood";
import { afterAll, afterEach, beforeAll, beforeEach, describe, vi } from "vitest";
import { describeWithMariadb, describeWithPostgres } from "../../../test/services/describe.ts";
import { createTables, emptyTables } from "../shop.ts";
import { type Client, connect, type Place } from "./clients.ts";

export interface World extends Client, Place {
  /** Another in each test: for ids and keys that shall not meet those of other tests. */
  readonly namespace: string;
  /** Whether the apps of all tests have one namespace: what subscribes to messages is known by it, and waited for. */
  readonly hasMessages: boolean;
  /** An app that works; it is stopped at the end of the test. */
  run(...jobs: readonly AnyJob[]): Promise<App>;
}

type Opened = Client & Place;

/** With room for walks over every point on a machine that has other things to do. */
const testTimeout = 150_000;

/** Runs the suite on SQLite, PostgreSQL and MariaDB. The world may be used inside tests and hooks. */
export function describeWorlds(name: string, suite: Suite, { hasMessages = false } = {}): void {
  const on = (open: () => Promise<Opened>): void => suiteOn(open, suite, hasMessages);
  describe(`${name} on SQLite`, () => on(openSqlite));
  describeWithPostgres(`${name} on PostgreSQL`, (database) => on(() => open({ kind: "postgres", url: database.url })));
  describeWithMariadb(`${name} on MariaDB`, (database) => on(() => open({ kind: "mariadb", url: database.url })));
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
  const folder = mkdtempSync(join(tmpdir(), "makegood-pattern-"));
  const opened = await open({ kind: "sqlite", url: join(folder, "shop.db") });
  const close = async (): Promise<void> => {
    await opened.close();
    rmSync(folder, { recursive: true, force: true });
  };
  return { ...opened, close };
}

async function open(place: Place): Promise<Opened> {
  const client = connect(place);
  await createTables(client.db);
  await client.shop.migrate();
  return { ...place, ...client };
}
