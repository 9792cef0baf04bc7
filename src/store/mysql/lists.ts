// Many rows in one statement of the store's own.
import type { Statement } from "../../core/script.ts";
import { literal, type Parameter } from "./values.ts";

/** `[name, value of a row]`. */
export type Column<T> = readonly [name: string, of: (row: T) => Parameter];

/** A statement stays well below the server's packet: one row alone may take 11 MiB. */
const maxChars = 2 * 1_024 * 1_024;

/** `INSERT INTO … VALUES …`, in as many statements as its length asks for. */
export function inserts<T>(
  table: string,
  columns: readonly Column<T>[],
  rows: readonly T[],
  suffix = "",
): readonly Statement[] {
  const head = `INSERT INTO ${table} (${columns.map(([name]) => name).join(", ")}) VALUES `;
  const tuples = rows.map((row) => `(${columns.map(([, of]) => literal(of(row))).join(",")})`);
  return chunked(tuples, Number.POSITIVE_INFINITY).map((some) => ({
    sql: `${head}${some.join(",")}${suffix}`,
    parameters: [],
  }));
}

/** The server plans each row of such a table by itself. */
const maxSelects = 100;

/** `SELECT … AS a, … AS b UNION ALL SELECT …`: a table in the text of the statement, in as many as its length asks for. */
export function tables<T>(columns: readonly Column<T>[], rows: readonly T[]): readonly string[] {
  const selects = rows.map(
    (row) => `SELECT ${columns.map(([name, of]) => `${literal(of(row))} AS ${name}`).join(", ")}`,
  );
  return chunked(selects, maxSelects).map((some) => some.join(" UNION ALL "));
}

function chunked(parts: readonly string[], maxCount: number): readonly (readonly string[])[] {
  const chunks: string[][] = [];
  let chars = Number.POSITIVE_INFINITY;
  for (const part of parts) {
    const last = chunks.at(-1);
    if (last === undefined || chars + part.length > maxChars || last.length >= maxCount) {
      chunks.push([part]);
      chars = part.length;
    } else {
      last.push(part);
      chars += part.length;
    }
  }
  return chunks;
}
