// A migration that was released is never changed: databases out there have applied it. Its text takes lists from core's
// tables, so a change there would change it unseen. If a hash differs, take the change back and write a new migration.
import { createHash } from "node:crypto";
import { expect, it } from "vitest";
import * as mysql from "../src/store/mysql/migrations/0001-initial.ts";
import * as mysqlSchedules from "../src/store/mysql/migrations/0002-schedules.ts";
import * as mysqlExecutors from "../src/store/mysql/migrations/0003-executors.ts";
import * as mysqlFollows from "../src/store/mysql/migrations/0004-follows.ts";
import * as postgres from "../src/store/postgres/migrations/0001-initial.ts";
import * as postgresSchedules from "../src/store/postgres/migrations/0002-schedules.ts";
import * as postgresExecutors from "../src/store/postgres/migrations/0003-executors.ts";
import * as postgresFollows from "../src/store/postgres/migrations/0004-follows.ts";
import * as sqlite from "../src/store/sqlite/migrations/0001-initial.ts";
import * as sqliteSchedules from "../src/store/sqlite/migrations/0002-schedules.ts";
import * as sqliteExecutors from "../src/store/sqlite/migrations/0003-executors.ts";
import * as sqliteFollows from "../src/store/sqlite/migrations/0004-follows.ts";

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
  ["sqlite", sqliteFollows, "cc85c76bcdfc250ba27810415fc11a78"],
  ["postgres", postgresFollows, "5b70eec91d70e09bd19b8ddda855033e"],
  ["mysql", mysqlFollows, "120b1aadfba1b68095d039fb5775879e"],
] as const;

it.each(frozen.map(([database, migration, hash]) => [database, migration.name, migration, hash] as const))(
  "on %s, %s is what was released",
  (_database, _name, { sql }, hash) => {
    expect(createHash("sha256").update(sql).digest("hex").slice(0, 32)).toBe(hash);
  },
);
