// Makegood's own statements on a connection of mysql2, whatever the user has set on the pool: rows as objects, whole numbers
// as numbers, bytes as buffers, one row for a statement without a result set.

import { propertyOf } from "../../core/error-chain.ts";
import type { AffectedRow } from "../../core/participant.ts";
import type { Row } from "../../core/script.ts";

/** For mysql2's `query`, over the settings of the pool. `typeCast` must be a function, or the pool's would win. */
export function mysql2Options(sql: string, parameters: readonly unknown[]) {
  return {
    sql,
    values: parameters.map(toMysql2),
    rowsAsArray: false,
    nestTables: false as const,
    namedPlaceholders: false,
    typeCast: readField,
  };
}

/** Any other object than a Buffer, a Uint8Array too, would become a list of its properties. */
export function toMysql2(parameter: unknown): unknown {
  if (!(parameter instanceof Uint8Array)) return parameter;
  return Buffer.from(parameter.buffer, parameter.byteOffset, parameter.byteLength);
}

interface Field {
  readonly type: string;
  string(): string | null;
}
const wholeNumbers = new Set(["TINY", "SHORT", "INT24", "LONG", "LONGLONG", "YEAR"]);

function readField(field: Field, next: () => unknown): unknown {
  if (!wholeNumbers.has(field.type)) return next();
  const text = field.string();
  return text === null ? null : toNumber(text);
}

/** What mysql2 returned: rows, or the header of a statement without a result set. */
export function rowsOfMysql2(result: unknown): readonly Row[] {
  if (Array.isArray(result)) return result;
  return [affectedRow(propertyOf(result, "affectedRows"), propertyOf(result, "insertId"))];
}

/** From what clients give, bigints among it. */
export function affectedRow(affectedRows: unknown, insertId: unknown): AffectedRow {
  const id = insertId === null || insertId === undefined ? 0 : toNumber(String(insertId));
  return { affectedRows: Number(affectedRows ?? 0), insertId: id };
}

function toNumber(text: string): number | string {
  const number = Number(text);
  return Number.isSafeInteger(number) ? number : text;
}
