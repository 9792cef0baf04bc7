// Many rows as one parameter a column. `unnest` in the select list walks the arrays side by side; `FROM unnest(a, b, …)` stores
// each of them first. This, and inserts that do not ask (flush.ts), took the server's CPU for a three-step execution from 58
// to 46 µs (PostgreSQL 15, 100 rows a statement, 2 vCPU, November 2026).
//
// Rows of one flush mostly are of one job, and in one state: columns that are marked for it go as one value when they are
// alike in all rows, for each value of an array costs the server some 70 ns (values.ts). All of them or none, since each choice
// is a statement of its own. Rows of one element that is alone in its flush go without any array: its caller, mostly one who
// waits for nothing else, waits 7 % less for a job of three steps.
import { bytesArray, numberArray, textArray, uuidArray } from "./values.ts";

type Value = {
  readonly text: string;
  readonly uuid: string;
  readonly integer: number;
  readonly bigint: number;
  readonly bytea: Uint8Array;
};
type ColumnOf<T, K extends keyof Value> = readonly [
  name: string,
  type: K,
  of: (row: T) => Value[K] | null,
  mark?: K extends "bytea" ? never : "mostly-alike",
];
/** `[name, type, value of a row]`, and whether rows of one flush mostly have the same value. */
export type Column<T> = { [K in keyof Value]: ColumnOf<T, K> }[keyof Value];

/** Whether the marked columns have the same values in all rows. */
export function areAlike<T>(columns: readonly Column<T>[], rows: readonly T[]): boolean {
  const [first, ...others] = rows;
  if (first === undefined) return false;
  return columns.every(([, , of, mark]) => {
    if (mark === undefined) return true;
    const value = of(first);
    return others.every((row) => of(row) === value);
  });
}

/** How rows go: `alike` are those whose marked columns are. */
export type Rows = "one" | "alike" | "various";

const goesAsValue = <T>([, , , mark]: Column<T>, as: Rows): boolean =>
  as === "one" || (as === "alike" && mark !== undefined);

/** `unnest($3::uuid[]) AS id, unnest($4::text[]) AS step, …`; of what goes as one value `$5::text AS role`. */
export function unnested<T>(columns: readonly Column<T>[], firstParameter = 1, as: Rows = "various"): string {
  return columns
    .map((column, i) => {
      const [name, type] = column;
      const parameter = `$${firstParameter + i}::${type}`;
      return `${goesAsValue(column, as) ? parameter : `unnest(${parameter}[])`} AS ${name}`;
    })
    .join(", ");
}

/** The parameters for `unnested`. */
export function arraysOf<T>(
  columns: readonly Column<T>[],
  rows: readonly T[],
  as: Rows = "various",
): readonly Parameter[] {
  const [first] = rows;
  return columns.map((column) =>
    first !== undefined && goesAsValue(column, as) ? column[2](first) : arrayOf(column, rows),
  );
}

type Parameter = string | number | Uint8Array | null;

function arrayOf<T>([, type, of]: Column<T>, rows: readonly T[]): string | Buffer {
  switch (type) {
    case "text":
      return textArray(rows.map(of));
    case "uuid":
      return uuidArray(rows.map(of));
    case "integer":
    case "bigint":
      return numberArray(rows.map(of));
    case "bytea":
      return bytesArray(rows.map(of));
  }
}
