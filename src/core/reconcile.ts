// What a reconciler decides: how far back it looks, and what becomes of a row that it finds. No I/O.
//
//   a row is found   → a case is opened: the first fix is started under the row's key
//   the fix fails    → the next scan that finds the row tries again, in the same case
//   the window closes, counted from the case's first fix, and the row is still bad → a person is asked
//   the row is gone from a finished scan → whatever comes later is another case
import type { Duration } from "./duration.ts";
import { isTerminal, type Status } from "./execution.ts";
import type { Job } from "./job.ts";
import type { Awaitable } from "./participant.ts";
import type { Trigger } from "./trigger.ts";

/** What `find` is asked for. */
export interface RowsWanted {
  /** The key of the last row of the page before; null for the first page. */
  readonly after: string | null;
  /** At most so many rows, in the order of their keys. Fewer: there are no more. */
  readonly limit: number;
  /** Rows that may have turned bad since then. It reaches back by the window from the last finished scan, and further for rows that are being fixed. */
  readonly since: Date;
  /** Aborts when the scan's attempt is over. */
  readonly signal: AbortSignal;
}

export interface ReconcileOptions<Row, I, O, R> {
  /** When to scan: `every("5m")`, `cron("0 0/5 * * * ?")`. */
  readonly schedule: Trigger<void>;
  /** How far back a scan looks from the start of the last finished one, and how long a row is tried before a person is asked. At least 1 s. */
  readonly window: Duration;
  /** Bad rows, a page at a time. Called again after a crash. It reads and changes nothing. */
  readonly find: (wanted: RowsWanted) => Awaitable<readonly Row[]>;
  /**
   * Names the row: at most 240 bytes, one row one key, and pages are ordered by it. A fix without a key of its own is
   * started under this one.
   */
  readonly key: (row: Row) => string;
  /** Makes one row good. Register it, here or in another process. */
  readonly fix: Job<I, O, R>;
  readonly input: (row: Row) => NoInfer<I>;
  /** Rows a page. Default 100, 1 … 1 000. */
  readonly pageSize?: number;
}

/** What became of the rows that a scan found. */
export interface Tally {
  readonly rows: number;
  /** First fixes. */
  readonly started: number;
  /** Fixes after one that failed. */
  readonly retried: number;
  /** Rows whose fix had not ended yet. */
  readonly underWay: number;
  /** Rows whose fix completed while the scan was on its way to them. */
  readonly fixed: number;
  /** Incidents that were opened. */
  readonly givenUp: number;
  /** Rows that wait for a person. */
  readonly withPerson: number;
}

/** Until then, scans look back to `since`: rows were found then that may be that old. */
interface Floor {
  readonly until: number;
  readonly since: number;
}

/** What one scan leaves to the next. Instants in epoch ms by the clock of the engine's database. */
export interface ScanMark {
  readonly startedAt: number;
  readonly since: number;
  /** The start of the finished scan before; null: there was none. */
  readonly previousAt: number | null;
  readonly floors: readonly Floor[];
  /** Where the next scan goes on; null: this one is finished. */
  readonly after: string | null;
}

const maxFloors = 32;

/** Where a scan begins that starts at `now`. One that goes on keeps the start of the one that it goes on with. */
export function nextScan(last: ScanMark | null, now: number, windowMs: number): ScanMark {
  if (last !== null && last.after !== null) return last;
  const base = (last?.startedAt ?? now) - windowMs;
  // A case of the last scan or of one before it is open if its window was open then: it gets one look after that.
  const floors = last === null ? [] : last.floors.filter(({ until }) => until > last.startedAt);
  return {
    startedAt: now,
    since: Math.min(base, ...floors.map(({ since }) => since)),
    previousAt: last?.startedAt ?? null,
    floors: thin([...floors, { until: now + windowMs, since: base }]),
    after: null,
  };
}

/** Two neighbors become one that covers both: a scan then looks back further than it must, never less far. */
function thin(floors: readonly Floor[]): readonly Floor[] {
  if (floors.length <= maxFloors) return floors;
  const pairs = floors
    .filter((_, at) => at % 2 === 0)
    .map((floor, at) => [floor, floors[2 * at + 1] ?? floor] as const);
  return pairs.map(([a, b]) => ({ until: Math.max(a.until, b.until), since: Math.min(a.since, b.since) }));
}

/** What is known of a row that was started before. */
export interface KnownRow {
  /** Of its newest fix. */
  readonly status: Status;
  /** 0 where retention has taken it. */
  readonly endedAt: number;
  /** When the first fix of the row's newest case was started; null if the newest fix is of no case. */
  readonly caseOpenedAt: number | null;
  /** Of the execution that asks a person; null: nobody was asked. */
  readonly givenUp: Status | null;
}

export type RowDecision = "under way" | "with a person" | "fixed" | "again" | "anew" | "give up";

/** `now`: the start of the scan. `previousAt`: that of the finished scan before it. */
export function decideRow(
  { status, endedAt, caseOpenedAt, givenUp }: KnownRow,
  {
    now,
    previousAt,
    windowMs,
  }: { readonly now: number; readonly previousAt: number | null; readonly windowMs: number },
): RowDecision {
  if (status === "parked" || status === "killed") return "with a person";
  if (!isTerminal(status)) return "under way";
  if (givenUp !== null) return isTerminal(givenUp) ? "anew" : "with a person";
  // It may have been read before its fix committed: the next scan knows.
  if (status === "completed" && endedAt >= now) return "fixed";
  // A whole scan came after that fix and did not find the row: it was good then.
  if (caseOpenedAt === null || (previousAt !== null && endedAt < previousAt)) return "anew";
  return now - caseOpenedAt >= windowMs ? "give up" : "again";
}
