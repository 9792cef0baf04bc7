import { randomBytes } from "node:crypto";
import { afterAll, beforeAll, describe, it } from "vitest";
import { uuidV7 } from "../../src/core/ids.ts";
import type { Mode } from "../../src/core/participant.ts";
import type { Dialect } from "../../src/core/store.ts";
import { type ParticipantFixture, participantClaims } from "../../src/participant/testing/conformance.ts";
import { prepareMysql } from "./mysql-databases.ts";
import { preparePostgres } from "./postgres-databases.ts";
import type { ServerClient } from "./server-client.ts";
import { makeSqliteFiles } from "./sqlite-files.ts";

/** As the engine makes them. */
const newId = (): string => uuidV7(Date.now(), randomBytes(10));

/** What an adapter's test opens; `close` gives back what `open` took. */
export type OpenedFixture<Tx, M extends Mode> = Omit<ParticipantFixture<Tx, M>, "newId"> & {
  readonly close: () => Promise<void> | void;
};

/** Claims that a client cannot keep, by name, each with the reason. */
type Exceptions = Readonly<Record<string, string>>;

/** Declares one test for each claim, on a fixture that is opened once. */
export function testParticipant<Tx, M extends Mode>(
  name: string,
  {
    mode,
    dialect,
    open,
    except = {},
  }: {
    readonly mode: M;
    readonly dialect: Dialect;
    readonly open: () => Promise<OpenedFixture<Tx, M>>;
    readonly except?: Exceptions;
  },
): void {
  describe(`a participant of ${name}`, () => {
    let opened: OpenedFixture<Tx, M>;
    beforeAll(async () => {
      opened = await open();
    });
    afterAll(() => opened?.close());
    for (const claim of participantClaims<Tx, M>(mode, dialect)) {
      const reason = except[claim.name];
      const title = reason === undefined ? claim.name : `${claim.name} (skipped: ${reason})`;
      it.skipIf(reason !== undefined)(title, () => claim.check({ ...opened, newId }));
    }
  });
}

/** Declares the claims for a client of PostgreSQL, opened three times: twice on the database, once on one without tables. */
export function testPostgresParticipant<Tx>(
  name: string,
  database: { readonly url: string },
  openClient: (url: string) => ServerClient<Tx> | Promise<ServerClient<Tx>>,
): void {
  testServerParticipant(
    name,
    "postgres",
    async () => ({ url: database.url, ...(await preparePostgres(database.url)) }),
    openClient,
  );
}

/** The same for a client of MariaDB. */
export function testMysqlParticipant<Tx>(
  name: string,
  database: { readonly url: string },
  openClient: (url: string) => ServerClient<Tx> | Promise<ServerClient<Tx>>,
): void {
  testServerParticipant(
    name,
    "mysql",
    async () => ({ url: database.url, ...(await prepareMysql(database.url)) }),
    openClient,
  );
}

interface Prepared {
  readonly url: string;
  readonly emptyUrl: string;
  readonly countEffects: (note: string) => Promise<number>;
  readonly close: () => Promise<void>;
}

function testServerParticipant<Tx>(
  name: string,
  dialect: Dialect,
  prepare: () => Promise<Prepared>,
  openClient: (url: string) => ServerClient<Tx> | Promise<ServerClient<Tx>>,
  except: Exceptions = {},
): void {
  testParticipant(name, {
    mode: "async",
    dialect,
    except,
    open: async () => {
      const { url, emptyUrl, countEffects, close } = await prepare();
      const first = await openClient(url);
      const second = await openClient(url);
      const empty = await openClient(emptyUrl);
      return {
        ...first,
        otherAdapter: second.adapter,
        emptyAdapter: empty.adapter,
        countEffects,
        close: async () => {
          await Promise.all([first, second, empty].map((client) => client.close()));
          await close();
        },
      };
    },
  });
}

/** The same for a client of SQLite whose mode is async, opened on files in WAL mode. */
export function testAsyncSqliteParticipant<Tx>(
  name: string,
  openClient: (path: string) => ServerClient<Tx> | Promise<ServerClient<Tx>>,
  except?: Exceptions,
): void {
  const prepare = async () => {
    const { path, emptyPath, countEffects, remove } = makeSqliteFiles();
    return {
      url: path,
      emptyUrl: emptyPath,
      countEffects: async (note: string) => countEffects(note),
      close: async () => remove(),
    };
  };
  testServerParticipant(name, "sqlite", prepare, openClient, except);
}
