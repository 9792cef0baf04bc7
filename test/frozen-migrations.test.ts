// A migration that was released is never changed: databases out there have applied it. Its text takes lists from core's
// tables, so a change there would change it unseen. If a hash differs, take the change back and write a new migration.
import { createHash } from "node:crypto";
import { expect, it } from "vitest";
import * as mysql from "../src/store/mysql/migrations/0001-initial.ts";
import * as postgres from "../src/store/postgres/migrations/0001-initial.ts";
import * as sqlite from "../src/store/sqlite/migrations/0001-initial.ts";

const frozen = [
  ["sqlite", sqlite, "e198c800e08dff11ae016252c069783b"],
  ["postgres", postgres, "a194450b31821bc9097413f75e6da702"],
  ["mysql", mysql, "dc5eee9eaacf8ed8a9e5b46abec6c8fc"],
] as const;

it.each(frozen)("the first migration of %s is what was released", (_database, { sql }, hash) => {
  expect(createHash("sha256").update(sql).digest("hex").slice(0, 32)).toBe(hash);
});
