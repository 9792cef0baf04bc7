/** Fresh worlds for a test file: on SQLite copies of one template, on the servers one pair of databases for all. */
import { copyFileSync, mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe } from "vitest";
import { describeWithMariadb, describeWithPostgres } from "../../services/describe.ts";
import { createMariadbDatabase } from "../../services/mariadb.ts";
import { createDatabase, type TestDatabase } from "../../services/postgres.ts";
import { type Place, settle } from "./world.ts";

export type NewPlace = (more?: Partial<Place>) => Place;

type Suite = (newPlace: NewPlace, kind: Place["kind"]) => void;

/** Runs the suite on each database. */
export function describeWorlds(name: string, suite: Suite): void {
  describe(`${name}, on SQLite`, () => suite(sqlitePlaces(), "sqlite"));
  describeWithPostgres(`${name}, on PostgreSQL`, (database) =>
    suite(
      postgresPlaces(() => database.url),
      "postgres",
    ),
  );
  describeWithMariadb(`${name}, on MariaDB`, (database) =>
    suite(
      mariadbPlaces(() => database.url),
      "mariadb",
    ),
  );
}

export function sqlitePlaces(): NewPlace {
  const folder = makeFolder();
  const template: Place = {
    kind: "sqlite",
    name: "t",
    engine: join(folder, "engine.db"),
    far: join(folder, "far.db"),
    remote: join(folder, "remote.db"),
  };
  let count = 0;
  beforeAll(() => settle(template));
  return (more) => {
    const name = `w${++count}`;
    const here = join(folder, name);
    mkdirSync(here);
    const place: Place = {
      kind: "sqlite",
      name,
      engine: join(here, "engine.db"),
      far: join(here, "far.db"),
      remote: join(here, "remote.db"),
      ...more,
    };
    copyFileSync(template.engine, place.engine);
    copyFileSync(template.far, place.far);
    return place;
  };
}

/** `serverUrl` is asked for when the tests begin. */
export const postgresPlaces = (serverUrl: () => string): NewPlace =>
  serverPlaces("postgres", createDatabase, serverUrl);

/** The same. */
export const mariadbPlaces = (serverUrl: () => string): NewPlace =>
  serverPlaces("mariadb", createMariadbDatabase, serverUrl);

function serverPlaces(
  kind: Place["kind"],
  create: (serverUrl: string) => Promise<TestDatabase>,
  serverUrl: () => string,
): NewPlace {
  const folder = makeFolder();
  let databases: readonly [TestDatabase, TestDatabase] | undefined;
  let count = 0;
  const placeNamed = (name: string): Place => {
    if (databases === undefined)
      throw new Error("Expected a place to be made inside a test, found none of the databases yet.");
    return { kind, name, engine: databases[0].url, far: databases[1].url, remote: join(folder, `${name}.db`) };
  };
  beforeAll(async () => {
    databases = [await create(serverUrl()), await create(serverUrl())];
    await settle(placeNamed("template"));
  });
  afterAll(async () => {
    for (const database of databases ?? []) await database.drop();
  });
  return (more) => ({ ...placeNamed(`w${++count}`), ...more });
}

function makeFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), "makegood-faults-"));
  afterAll(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}
