// Columns that the user writes through a statement of ours: named by the user, quoted by us, in one order whatever order
// they were given in, so that the same columns make the same text.
import { describeValue, OptionError } from "../core/errors.ts";
import type { Columns } from "../core/machine/spec.ts";
import type { Dialect } from "../core/store.ts";
import { quoteName } from "./identifiers.ts";

/**
 * Quoted column → value, ordered by name. Values go to the client as they are.
 *
 * @throws OPTION_INVALID for what is no object of columns, for a value of undefined, and for one of the `reserved` columns,
 *   which are given quoted.
 */
export function quoteColumns(dialect: Dialect, columns: unknown, reserved: readonly string[], where: string): Columns {
  if (typeof columns !== "object" || columns === null || Array.isArray(columns))
    throw new OptionError(where, `${where}: expected an object of columns, found ${describeValue(columns)}`);
  const names = Object.keys(columns);
  if (names.length === 0) return {};
  const quoted: Record<string, unknown> = {};
  for (const name of names.sort()) {
    const column = quoteName(dialect, name, `${where}.${name}`);
    const value = (columns as Columns)[name];
    if (value === undefined)
      throw new OptionError(
        `${where}.${name}`,
        `${where}.${name}: expected a value, found undefined; for NULL give null`,
      );
    if (reserved.some((it) => it.toLowerCase() === column.toLowerCase()))
      throw new OptionError(`${where}.${name}`, `${where}.${name}: this column is written by makegood itself`);
    quoted[column] = value;
  }
  return quoted;
}
