import { parseNumber } from "../parse-number.ts";
import type { VersionedSql } from "./sql.ts";

// Of the user's table each statement is served by its primary key.

export const versionedPostgres: VersionedSql = {
  // A second writer of the same version waits for the first here, then finds another version and changes nothing.
  *update({ table, idColumn, versionColumn, id }, version, columns, values) {
    const sets = columns.map((column, at) => `, ${column} = $${at + 3}`).join("");
    const sql = `UPDATE ${table} SET ${versionColumn} = ${versionColumn} + 1${sets} WHERE ${idColumn} = $1 AND ${versionColumn} = $2 RETURNING 1`;
    return (yield { sql, parameters: [id, version, ...values] }).length === 1;
  },
  *read({ table, idColumn, versionColumn, id }, lock) {
    const sql = `SELECT ${idColumn}::text AS entity, ${versionColumn} AS version FROM ${table} WHERE ${idColumn} = $1${lock ? " FOR UPDATE" : ""}`;
    const [row] = yield { sql, parameters: [id] };
    return row === undefined
      ? null
      : { entity: String(row["entity"]), version: parseNumber(row["version"], "a version") };
  },
  *record(relation, entity, key, version) {
    const sql = `INSERT INTO makegood.versioned (relation, entity, key, version) VALUES ($1::text, $2::text, $3::text, $4::bigint)
ON CONFLICT (relation, entity, key) DO NOTHING RETURNING 1`;
    return (yield { sql, parameters: [relation, entity, key, version] }).length === 1;
  },
  *recorded(relation, entity, key) {
    const sql = `SELECT version FROM makegood.versioned WHERE relation = $1::text AND entity = $2::text AND key = $3::text`;
    const [row] = yield { sql, parameters: [relation, entity, key] };
    return row === undefined ? null : parseNumber(row["version"], "a version");
  },
};
