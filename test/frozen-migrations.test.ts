// A migration that was released is never changed: databases out there have applied it. Its text takes lists from core's
// tables, so a change there would change it unseen. If a hash differs, take the change back and write a new migration.
import { createHash } from "node:crypto";
import { expect, it } from "vitest";
import { migrations } from "../src/participant/migrations/list.ts";
import * as mysql from "../src/store/mysql/migrations/0001-initial.ts";
import * as mysqlSchedules from "../src/store/mysql/migrations/0002-schedules.ts";
import * as mysqlExecutors from "../src/store/mysql/migrations/0003-executors.ts";
import * as mysqlScheduleLookups from "../src/store/mysql/migrations/0004-schedule-lookups.ts";
import * as postgres from "../src/store/postgres/migrations/0001-initial.ts";
import * as postgresSchedules from "../src/store/postgres/migrations/0002-schedules.ts";
import * as postgresExecutors from "../src/store/postgres/migrations/0003-executors.ts";
import * as postgresScheduleLookups from "../src/store/postgres/migrations/0004-schedule-lookups.ts";
import * as postgresSealOwn from "../src/store/postgres/migrations/0005-seal-own.ts";
import * as sqlite from "../src/store/sqlite/migrations/0001-initial.ts";
import * as sqliteSchedules from "../src/store/sqlite/migrations/0002-schedules.ts";
import * as sqliteExecutors from "../src/store/sqlite/migrations/0003-executors.ts";
import * as sqliteScheduleLookups from "../src/store/sqlite/migrations/0004-schedule-lookups.ts";

const frozen = [
  ["sqlite", sqlite, "e198c800e08dff11ae016252c069783b"],
  ["postgres", postgres, "a194450b31821bc9097413f75e6da702"],
  ["mysql", mysql, "dc5eee9eaacf8ed8a9e5b46abec6c8fc"],
  ["sqlite", sqliteSchedules, "10c9074f9d564f0cf905784c2e22ee91"],
  ["postgres", postgresSchedules, "ed1d299c3f53fe7a2a720341246380e5"],
  ["mysql", mysqlSchedules, "851751c8995c182e5be26f12c3504f9a"],
  ["sqlite", sqliteExecutors, "90812f3e6d82fbcb52b20bfe704b97ad"],
  ["postgres", postgresExecutors, "9d2ae9ff476f309626e5f7cef4634fa9"],
  ["mysql", mysqlExecutors, "6e837766b86d6a2ea64eae781858b205"],
  ["sqlite", sqliteScheduleLookups, "da28d6d40d86347d2b5e389548aaa552"],
  ["postgres", postgresScheduleLookups, "91ba5deecf954b0d32f1e8b1394d1115"],
  ["mysql", mysqlScheduleLookups, "aeace7dbfe36120e7eab4de73c395b2e"],
  ["postgres", postgresSealOwn, "516c0e12d48ae16bdad719af275ab52c"],
] as const;

it.each(frozen.map(([database, migration, hash]) => [database, migration.name, migration, hash] as const))(
  "on %s, %s is what was released",
  (_database, _name, { sql }, hash) => {
    expect(createHash("sha256").update(sql).digest("hex").slice(0, 32)).toBe(hash);
  },
);

/** Of a participant's tables, over the statements of the three databases. */
const frozenOfParticipants: Readonly<Record<string, string>> = {
  "0001-barrier": "20cb8c456cb7f848593f148b73777bb9",
  "0002-record": "2713c32c72c6ccc920b360435ca034f8",
  "0003-lock": "33302e89beb0a1b041f036ba9b962972",
  "0004-outbox": "aaf026b14222fb0c4ee662b51b1c23c1",
  "0005-machine": "de873755776efa784259dcca58947382",
  "0006-versioned": "09576746e0543b9da1e2ccda48ec6134",
  "0007-once": "817e8ffe97719aae2335541d54959bec",
  "0008-expiry": "6edfb273ce821abbb545e73bc544cefb",
  "0009-history": "05ee56dbc6e1acd24b6bec54382f1ea5",
};

it("the migrations of participants are what was released", () => {
  const hashes = migrations.map(({ name, statements: { postgres, sqlite, mysql } }) => {
    const text = JSON.stringify([postgres, sqlite, mysql]);
    return [name, createHash("sha256").update(text).digest("hex").slice(0, 32)];
  });
  expect(Object.fromEntries(hashes)).toEqual(frozenOfParticipants);
});
