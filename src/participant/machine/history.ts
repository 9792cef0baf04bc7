import type { Row } from "../../core/script.ts";
import { parseNumber } from "../parse-number.ts";

import type { HistoryEntry } from "./types.ts";

export function parseEntry(row: Row): HistoryEntry<string> {
  const text = (column: string): string | null => (row[column] === null ? null : String(row[column]));
  return {
    seq: parseNumber(row["seq"], "seq"),
    outcome: row["outcome"] as HistoryEntry<string>["outcome"],
    event: text("event"),
    from: text("from_state"),
    to: text("to_state"),
    eventId: text("event_id"),
    by: text("actor"),
    reason: text("reason"),
    at: new Date(parseNumber(row["at"], "at")),
  };
}
