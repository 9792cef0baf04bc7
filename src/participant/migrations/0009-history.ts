import type { Migration } from "./migration.ts";
import { nowMs } from "./now.ts";

// The history of state machines on SQLite numbers its lines without AUTOINCREMENT, which kept the last number in a table of
// its own: a page more in each commit. A number is one above the highest there is, and the line that has that is never
// pruned: a line goes when its row has a later move, whose number is higher. So no number is given out again; only who
// deletes lines by hand must leave the last of each row.
//
// Copied there and back, since RENAME is refused where a view or trigger of the user's names a table that is gone meanwhile.
const table = "makegood_machine_history";
const columns = "seq, machine, entity, outcome, event, from_state, to_state, event_id, actor, reason, at";

export const history: Migration = {
  name: "0009-history",
  statements: {
    postgres: [],
    sqlite: [
      `CREATE TABLE ${table}_before AS SELECT ${columns} FROM ${table}`,
      `DROP TABLE ${table}`,
      `CREATE TABLE ${table} (
         seq        INTEGER PRIMARY KEY,
         machine    TEXT NOT NULL,
         entity     TEXT NOT NULL,
         outcome    TEXT NOT NULL,
         event      TEXT,
         from_state TEXT,
         to_state   TEXT,
         event_id   TEXT,
         actor      TEXT,
         reason     TEXT,
         at         INTEGER NOT NULL DEFAULT (${nowMs.sqlite})
       ) STRICT`,
      `INSERT INTO ${table} (${columns}) SELECT ${columns} FROM ${table}_before ORDER BY seq`,
      `CREATE UNIQUE INDEX ${table}_event ON ${table} (machine, entity, event_id)`,
      `DROP TABLE ${table}_before`,
    ],
    mysql: [],
  },
};
