/**
 * Fresh worlds for a test file: on SQLite copies of one template, on PostgreSQL one pair of databases for all, on MariaDB one
 * database for all and copies of the template's books.
 */
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

/** Runs the suite on each of these databases. */
export function describeWorlds(
  name: string,
  suite: Suite,
  kinds: readonly Place["kind"][] = ["sqlite", "postgres", "mariadb"],
): void {
  if (kinds.includes("sqlite")) describe(`${name}, on SQLite`, () => suite(sqlitePlaces(), "sqlite"));
  if (kinds.includes("postgres"))
    describeWithPostgres(`${name}, on PostgreSQL`, (database) =>
      suite(
        postgresPlaces(() => database.url),
        "postgres",
      ),
    );
  if (kinds.includes("mariadb"))
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
export function postgresPlaces(serverUrl: () => string): NewPlace {
  const folder = makeFolder();
  let databases: readonly [TestDatabase, TestDatabase] | undefined;
  let count = 0;
  const placeNamed = (name: string): Place => {
    if (databases === undefined)
      throw new Error("Expected a place to be made inside a test, found none of the databases yet.");
    return {
      kind: "postgres",
      name,
      engine: databases[0].url,
      far: databases[1].url,
      remote: join(folder, `${name}.db`),
    };
  };
  beforeAll(async () => {
    databases = [await createDatabase(serverUrl()), await createDatabase(serverUrl())];
    await settle(placeNamed("template"));
  });
  afterAll(async () => {
    for (const database of databases ?? []) await database.drop();
  });
  return (more) => ({ ...placeNamed(`w${++count}`), ...more });
}

/** As `postgresPlaces`; the books are files, own and far alike. */
export function mariadbPlaces(serverUrl: () => string): NewPlace {
  const folder = makeFolder();
  let database: TestDatabase | undefined;
  let count = 0;
  const placeIn = (here: string, name: string): Place => {
    if (database === undefined) throw new Error("Expected a place to be made inside a test, found no database yet.");
    mkdirSync(here);
    return {
      kind: "mariadb",
      name,
      engine: database.url,
      own: join(here, "own.db"),
      far: join(here, "far.db"),
      remote: join(here, "remote.db"),
    };
  };
  const template = join(folder, "template");
  beforeAll(async () => {
    database = await createMariadbDatabase(serverUrl());
    await settle(placeIn(template, "template"));
  });
  afterAll(() => database?.drop());
  return (more) => {
    const name = `w${++count}`;
    const here = join(folder, name);
    const place = { ...placeIn(here, name), ...more };
    for (const book of ["own.db", "far.db"]) copyFileSync(join(template, book), join(here, book));
    return place;
  };
}

function makeFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), "makegood-faults-"));
  afterAll(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}
