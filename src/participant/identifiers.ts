// Names of the user's tables and columns in our statements: quoted, so that any name is one name and nothing else.
import { describeValue, isCleanText, OptionError } from "../core/errors.ts";
import type { Dialect } from "../core/store.ts";

/** PostgreSQL cuts longer names silently at 63 bytes; the others refuse them later. */
const maxNameBytes = 63;
const maxTableParts = 2;

/** A column. Throws OPTION_INVALID for what cannot be one. */
export function quoteName(dialect: Dialect, name: unknown, where: string): string {
  const isFine =
    typeof name === "string" &&
    name !== "" &&
    isCleanText(name) &&
    new TextEncoder().encode(name).length <= maxNameBytes;
  if (!isFine)
    throw new OptionError(
      where,
      `${where}: expected a name of 1 to ${maxNameBytes} bytes, as the database has it, found ${describeValue(name)}`,
    );
  return dialect === "mysql" ? `\`${name.replaceAll("`", "``")}\`` : `"${name.replaceAll('"', '""')}"`;
}

/** A table: "orders", or "shop.orders" with its schema (on MySQL: database). Throws OPTION_INVALID. */
export function quoteTable(dialect: Dialect, table: unknown, where: string): string {
  const parts = typeof table === "string" ? table.split(".") : [];
  if (parts.length === 0 || parts.length > maxTableParts)
    throw new OptionError(
      where,
      `${where}: expected the name of a table, with or without its schema ("orders", "shop.orders"), found ${describeValue(table)}`,
    );
  return parts.map((part) => quoteName(dialect, part, where)).join(".");
}

/** A text in a statement that takes no parameters, such as the making of a trigger. Only for texts of ours. */
export const literal = (text: string): string => `'${text.replaceAll("'", "''")}'`;
