import { parseNumber } from "../parse-number.ts";
import type { VersionedSql } from "./sql.ts";

// Reads lock, since the caller's transaction may be REPEATABLE READ, where a plain one sees what was when it began. IGNORE
// makes a record that is there no error, so that the transaction goes on; lengths were checked before.

export const versionedMysql: VersionedSql = {
  *update({ table, idColumn, versionColumn, id }, version, columns, values) {
    const sets = columns.map((column) => `, ${column} = ?`).join("");
    const sql = `UPDATE ${table} SET ${versionColumn} = ${versionColumn} + 1${sets} WHERE ${idColumn} = ? AND ${versionColumn} = ?`;
    const [row] = yield { sql, parameters: [...values, id, version] };
    return parseNumber(row?.["affectedRows"], "affectedRows") === 1;
  },
  *read({ table, idColumn, versionColumn, id }) {
    const sql = `SELECT CAST(${idColumn} AS CHAR) AS entity, ${versionColumn} AS version FROM ${table} WHERE ${idColumn} = ? FOR UPDATE`;
    const [row] = yield { sql, parameters: [id] };
    return row === undefined
      ? null
      : { entity: String(row["entity"]), version: parseNumber(row["version"], "a version") };
  },
  *record(relation, entity, key, version) {
    const sql = "INSERT IGNORE INTO makegood_versioned (relation, entity, `key`, version) VALUES (?, ?, ?, ?)";
    const [row] = yield { sql, parameters: [relation, entity, key, version] };
    return parseNumber(row?.["affectedRows"], "affectedRows") === 1;
  },
  *recorded(relation, entity, key) {
    const sql =
      "SELECT version FROM makegood_versioned WHERE relation = ? AND entity = ? AND `key` = ? LOCK IN SHARE MODE";
    const [row] = yield { sql, parameters: [relation, entity, key] };
    return row === undefined ? null : parseNumber(row["version"], "a version");
  },
};
