import type { Migration } from "./migration.ts";
import { nowMs } from "./now.ts";

// One row for each event that was taken, and for each refused one that was to be kept. `entity` is the id of the user's row
// as text. `seq` grows within a row, since it is given out under that row's lock. An event id is in here once: whoever
// comes second finds it. On SQLite and MySQL its index also serves the reading of one row's history.
export const machine: Migration = {
  name: "0005-machine",
  statements: {
    postgres: [
      `CREATE TABLE makegood.machine_history (
         machine    text COLLATE "C" NOT NULL,
         entity     text COLLATE "C" NOT NULL,
         seq        bigint GENERATED ALWAYS AS IDENTITY,
         outcome    text COLLATE "C" NOT NULL,
         event      text COLLATE "C",
         from_state text COLLATE "C",
         to_state   text COLLATE "C",
         event_id   text COLLATE "C",
         actor      text,
         reason     text,
         at         bigint NOT NULL DEFAULT ${nowMs.postgres},
         PRIMARY KEY (machine, entity, seq)
       )`,
      `CREATE UNIQUE INDEX machine_history_event ON makegood.machine_history (machine, entity, event_id)
         WHERE event_id IS NOT NULL`,
      // So that a move is one UPDATE, which calls this for the row that it returns. A common table expression says the same,
      // but each client sends the text anew, and planning it took as long as the rest of the statement (80 µs of 120).
      `CREATE FUNCTION makegood.machine_moved(
         in_machine text, in_entity text, in_event text, in_from text, in_to text, in_actor text, in_reason text
       ) RETURNS bigint LANGUAGE plpgsql AS $makegood$
       DECLARE
         made bigint;
       BEGIN
         INSERT INTO makegood.machine_history (machine, entity, outcome, event, from_state, to_state, actor, reason)
         VALUES (in_machine, in_entity, 'moved', in_event, in_from, in_to, in_actor, in_reason)
         RETURNING seq INTO made;
         RETURN made;
       END
       $makegood$`,
    ],
    sqlite: [
      `CREATE TABLE makegood_machine_history (
         seq        INTEGER PRIMARY KEY AUTOINCREMENT,
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
      `CREATE UNIQUE INDEX makegood_machine_history_event ON makegood_machine_history (machine, entity, event_id)`,
      // Never holds a committed row: one that is there is seen by its own transaction only, which lets its triggers pass.
      `CREATE TABLE makegood_machine_override (
         machine TEXT PRIMARY KEY,
         reason  TEXT NOT NULL
       ) STRICT, WITHOUT ROWID`,
    ],
    mysql: [
      `CREATE TABLE IF NOT EXISTS makegood_machine_history (
         seq        BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY,
         machine    VARBINARY(64) NOT NULL,
         entity     VARBINARY(255) NOT NULL,
         outcome    VARBINARY(16) NOT NULL,
         event      VARBINARY(64),
         from_state VARBINARY(130),
         to_state   VARBINARY(130),
         event_id   VARBINARY(255),
         actor      VARCHAR(255),
         reason     TEXT,
         at         BIGINT NOT NULL DEFAULT (${nowMs.mysql}),
         UNIQUE KEY makegood_machine_history_event (machine, entity, event_id)
       ) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4`,
    ],
  },
};
