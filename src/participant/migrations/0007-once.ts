import type { Migration } from "./migration.ts";
import { nowMs } from "./now.ts";

// `once` on PostgreSQL: a lock of the transaction's keeps others away from the key until its end, and the record is inserted
// whole, after the effect. One row version and one visit of each index, where a row that is inserted first and updated
// afterwards takes two. Should two ever get past the lock (in older code, or with `idempotent` under the same key), the
// primary key judges, and the second transaction fails as a whole.
//
// The token of a call that has begun stands in a setting of the transaction's, which a rollback to a savepoint takes back
// together with the lock: so a call whose effect rolled back to before it is found out at its end.
//
// The table's CHECK goes: it cost a third of each write. What writes rows is tested with it: record/idempotent.test.ts.
const lockOf = "hashtextextended(new_scope || E'\\x01' || new_key, 7140223)";
const begun = "current_setting('makegood.once', true)";

const beginBody = `
  IF EXISTS (SELECT FROM makegood.execution_record WHERE scope = new_scope AND record_key = new_key) THEN
    RETURN 'taken';
  END IF;
  PERFORM set_config('makegood.once', concat(${begun}, new_token), true);
  RETURN pg_current_xact_id()::text;`;

const functions = [
  // A plan that is made while the table is small must not read all of it when it no longer is.
  `CREATE FUNCTION makegood.begin_once(new_scope text, new_key text, new_token text) RETURNS text LANGUAGE plpgsql
SET enable_seqscan = off AS $$
BEGIN
  PERFORM pg_advisory_xact_lock(${lockOf});${beginBody}
END $$`,
  `CREATE FUNCTION makegood.try_begin_once(new_scope text, new_key text, new_token text) RETURNS text LANGUAGE plpgsql
SET enable_seqscan = off AS $$
BEGIN
  IF NOT pg_try_advisory_xact_lock(${lockOf}) THEN
    RETURN 'busy';
  END IF;${beginBody}
END $$`,
  `CREATE FUNCTION makegood.end_once(
  new_scope text, new_key text, of_token text, of_owner text, new_fingerprint text, retain_ms bigint, new_result bytea
) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
  IF pg_current_xact_id()::text <> of_owner OR position(of_token in coalesce(${begun}, '')) = 0 THEN
    RETURN false;
  END IF;
  INSERT INTO makegood.execution_record (scope, record_key, status, owner, fingerprint, expire_at, result)
  VALUES (new_scope, new_key, 2, of_owner, new_fingerprint, ${nowMs.postgres} + retain_ms, new_result);
  PERFORM set_config('makegood.once', replace(${begun}, of_token, ''), true);
  RETURN true;
END $$`,
];

export const once: Migration = {
  name: "0007-once",
  statements: {
    postgres: [...functions, "ALTER TABLE makegood.execution_record DROP CONSTRAINT execution_record_state"],
    sqlite: [],
    mysql: [],
  },
};
