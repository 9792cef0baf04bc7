import { describeValue, InvariantError } from "../core/errors.ts";
import type { AffectedRow } from "../core/participant.ts";
import type { Row } from "../core/script.ts";

/** What dialect mysql answered to a statement without a result set. */
export function affectedOf(rows: readonly Row[]): AffectedRow {
  const [row] = rows;
  if (typeof row?.["affectedRows"] === "number") return row as AffectedRow;
  throw new InvariantError(
    `Expected the adapter to give one row { affectedRows, insertId } for a statement without a result set, found ${describeValue(row)}`,
  );
}
