import { parseNumber } from "../parse-number.ts";
import type { VersionedSql } from "./sql.ts";

// One writer at a time: after the first write, and in a transaction begun IMMEDIATE from its begin, nobody else writes.

export const versionedSqlite: VersionedSql = {
  *update({ table, idColumn, versionColumn, id }, version, columns, values) {
    const sets = columns.map((column) => `, ${column} = ?`).join("");
    const sql = `UPDATE ${table} SET ${versionColumn} = ${versionColumn} + 1${sets} WHERE ${idColumn} = ? AND ${versionColumn} = ? RETURNING 1`;
    return (yield { sql, parameters: [...values, id, version] }).length === 1;
  },
  *read({ table, idColumn, versionColumn, id }) {
    const sql = `SELECT CAST(${idColumn} AS TEXT) AS entity, ${versionColumn} AS version FROM ${table} WHERE ${idColumn} = ?`;
    const [row] = yield { sql, parameters: [id] };
    return row === undefined
      ? null
      : { entity: String(row["entity"]), version: parseNumber(row["version"], "a version") };
  },
  *record(relation, entity, key, version) {
    const sql = `INSERT INTO makegood_versioned (relation, entity, key, version) VALUES (?, ?, ?, ?)
ON CONFLICT (relation, entity, key) DO NOTHING RETURNING 1`;
    return (yield { sql, parameters: [relation, entity, key, version] }).length === 1;
  },
  *recorded(relation, entity, key) {
    const sql = "SELECT version FROM makegood_versioned WHERE relation = ? AND entity = ? AND key = ?";
    const [row] = yield { sql, parameters: [relation, entity, key] };
    return row === undefined ? null : parseNumber(row["version"], "a version");
  },
};
