import { toMs } from "../../core/duration.ts";
import { checkInteger, checkOptions } from "../../core/options.ts";
import type { Mode } from "../../core/participant.ts";
import type { Script } from "../../core/script.ts";
import type { Base } from "../base.ts";
import type { HistoryPlace, MachineSql } from "./sql.ts";
import type { PruneHistoryOptions } from "./types.ts";

const defaultBatch = 500;
const maxBatch = 10_000;
const minKeepMs = 60_000;

/**
 * Goes through the history by its primary key, since an index by age would be written by every move, and would lead to the
 * last lines of rows that ended long ago again and again.
 */
export async function pruneHistory<Tx, M extends Mode>(
  base: Base<Tx, M>,
  sql: MachineSql,
  where: string,
  options: PruneHistoryOptions,
): Promise<number> {
  checkOptions(options, ["keep", "batch", "signal"], where);
  const keepMs = toMs(options.keep, `${where}: keep`, { min: minKeepMs });
  const batch = checkInteger(options.batch ?? defaultBatch, `${where}: batch`, 1, maxBatch);
  let prunedCount = 0;
  let after: HistoryPlace | null = { entity: "", seq: 0 };
  while (after !== null && options.signal?.aborted !== true) {
    const from: HistoryPlace = after;
    const page = await base.alone(() => prunePage(sql, from, batch, keepMs), options.signal);
    prunedCount += page.prunedCount;
    after = page.end;
  }
  return prunedCount;
}

interface Page {
  readonly end: HistoryPlace | null;
  readonly prunedCount: number;
}

function* prunePage(sql: MachineSql, after: HistoryPlace, batch: number, keepMs: number): Script<Page> {
  const end = yield* sql.pageEnd(after, batch);
  return { end, prunedCount: end === null ? 0 : yield* sql.prune(after, end, keepMs) };
}
