import { recordStates } from "./0002-record.ts";
import type { Migration } from "./migration.ts";
import { nowMs } from "./now.ts";

// Execution records on SQLite find their expiry by `id`, the key of the table itself, in place of an index, which was one
// page more of each commit. The second in which a record expires stands in the id's upper bits, so the first ids are those
// that expire first; and ids stay whole numbers that JavaScript can hold. `expire_at` remains the judge, the id only says
// where to look: it may be too late, never too early by more than its second. Records without expiry are below zero.
//
// A trigger moves what is given another expiry, by whomever. The second of an id holds a million records; in one that is
// full, which takes somebody who sets the expiry of them all, those that come last are found last.
const table = "makegood_execution_record";
const secondBits = 20;

/** Where the ids of that second begin; `at` is an expression in epoch ms. */
export const firstRecordId = (at: string): string => `((${at}) / 1000 << ${secondBits})`;
const endOfSecond = (at: string): string => firstRecordId(`${at} + 1000`);

/** The next id of that second. Names `at` twice. */
export const nextRecordId = (at: string): string =>
  `max(${firstRecordId(at)}, coalesce((SELECT max(id) FROM ${table} WHERE id < ${endOfSecond(at)}), 0) + 1)`;

const columns =
  "scope, record_key, status, attempts, fence, held_until, created_at, expire_at, owner, fingerprint, settled_by, result, error";

export const expiry: Migration = {
  name: "0008-expiry",
  statements: {
    postgres: [],
    // Copied there and back, since RENAME is refused where a view of the user's reads the table.
    sqlite: [
      `CREATE TABLE ${table}_before AS SELECT ${columns} FROM ${table}`,
      `DROP TABLE ${table}`,
      `CREATE TABLE ${table} (
         id          INTEGER PRIMARY KEY,
         scope       TEXT NOT NULL,
         record_key  TEXT NOT NULL,
         status      INTEGER NOT NULL,
         attempts    INTEGER NOT NULL DEFAULT 1,
         fence       INTEGER NOT NULL DEFAULT 1,
         held_until  INTEGER,
         created_at  INTEGER NOT NULL DEFAULT (${nowMs.sqlite}),
         expire_at   INTEGER,
         owner       TEXT NOT NULL,
         fingerprint TEXT,
         settled_by  TEXT,
         result      BLOB,
         error       BLOB,
         UNIQUE (scope, record_key),
         CHECK (${recordStates})
       ) STRICT`,
      `CREATE INDEX ${table}_manual ON ${table} (scope, record_key) WHERE status = 4`,
      // Each id is at least the first of its second, and above the one before it.
      `INSERT INTO ${table} (id, ${columns})
       SELECT n + max(${firstRecordId("expire_at")} - n) OVER (ORDER BY n), ${columns}
         FROM (SELECT row_number() OVER (ORDER BY expire_at) AS n, * FROM ${table}_before WHERE expire_at IS NOT NULL)`,
      `INSERT INTO ${table} (id, ${columns})
       SELECT -row_number() OVER (), ${columns} FROM ${table}_before WHERE expire_at IS NULL`,
      `DROP TABLE ${table}_before`,
      `CREATE TRIGGER ${table}_expiry AFTER UPDATE OF expire_at ON ${table} WHEN new.expire_at IS NOT old.expire_at
       BEGIN
         UPDATE ${table} SET id = CASE
           WHEN new.expire_at IS NULL THEN min((SELECT min(id) FROM ${table}), 0) - 1
           WHEN EXISTS (SELECT 1 FROM ${table} WHERE id = ${endOfSecond("new.expire_at")} - 1)
             THEN (SELECT max(id) FROM ${table}) + 1
           ELSE ${nextRecordId("new.expire_at")}
         END
         WHERE id = new.id;
       END`,
    ],
    mysql: [],
  },
};
