// Pieces of SQL that are derived from core's table of states, so that there is no second copy of it.
import {
  isTerminal,
  type Status,
  statuses,
  type TransitionName,
  type TransitionRule,
  transitions,
} from "../../core/execution.ts";

/** As OR: for a longer IN list SQLite builds a table each time. */
const isOneOf = (column: string, values: readonly string[]): string =>
  `(${values.map((value) => `${column} = '${value}'`).join(" OR ")})`;

export const unfinished = isOneOf(
  "status",
  statuses.filter((status) => !isTerminal(status)),
);

/** A round that ended so may be followed by another. */
export const mayBeReplaced = (status: Status): boolean => isTerminal(status) && status !== "completed";

/** From which statuses and phases a transition may start; for rows that are found by a query. */
export function mayStart(name: TransitionName, alias: string): string {
  const rule: TransitionRule = transitions[name];
  const starts = `${isOneOf(`${alias}.status`, rule.from)} AND ${isOneOf(`${alias}.phase`, rule.phases)}`;
  return rule.cancelBlocks ? `${starts} AND (${alias}.phase <> 'open' OR ${alias}.cancel IS NULL)` : starts;
}
