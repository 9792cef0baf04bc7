// The flush: any number of plain starts and plain writes in one prepared statement, which is one round trip and one commit.
//
// It inserts without asking whether the rows are there. Only a repeat, after an unknown outcome, meets its own rows; the
// statement then fails as a whole and its elements take the way of writes.ts, which asks. What that saves
// is in columns.ts.
//
// What matters for its plan: the guard rows come by primary key whatever the statistics say (a lateral sub-select, and
// `phaseBitSql`); CTEs are compared by hashed sub-plans, never joined, since the planner believes that each has ten rows.
import type { Status } from "../../core/execution.ts";
import type { JournalRow } from "../../core/journal.ts";
import type { Row } from "../../core/script.ts";
import type { NewExecution, StartOutcome, Write } from "../../core/store.ts";
import { actorName } from "./cancel.ts";
import { arraysOf, type Column, unnested } from "./columns.ts";
import { phaseBitSql, phaseBits, ruleOf } from "./fence.ts";
import { int, plainList, textArray } from "./values.ts";
import { moveColumns, moveSql, outcomeOf, type RecordRow, recordColumns, recordsOf } from "./write-rows.ts";

export const isPlainStart = (start: NewExecution): boolean =>
  start.concurrencyKey === null && start.replacesRound === null;

export function isPlainWrite({ attempts, takes, children, progress, transition }: Write): boolean {
  const isBare =
    [attempts, takes, children].every((list) => list === undefined || list.length === 0) && progress === undefined;
  return (
    isBare &&
    (transition === undefined || (transition.name !== "park" && !transition.parent && transition.holdsSlot !== true))
  );
}

const startColumns: readonly Column<NewExecution>[] = [
  ["id", "uuid", (start) => start.id],
  ["namespace", "text", (start) => start.namespace],
  ["job", "text", (start) => start.job],
  ["version", "integer", (start) => start.version],
  ["key", "text", (start) => start.key],
  ["fingerprint", "text", (start) => start.fingerprint],
  ["priority", "integer", (start) => start.priority],
  ['"group"', "text", (start) => start.group],
  ["delay_ms", "bigint", (start) => start.delayMs],
  ["timeout_ms", "bigint", (start) => start.timeoutMs],
  ["retain_ms", "bigint", (start) => start.retainMs],
  ["key_retain_ms", "bigint", (start) => start.keyRetainMs],
  ["parent", "uuid", (start) => start.parent],
  ["root", "uuid", (start) => start.root],
  ["trace_context", "text", (start) => start.traceContext],
  ["actor", "text", (start) => actorName(start.actor)],
  ["worker", "uuid", (start) => (start.delayMs > 0 ? null : start.claimFor)],
  ["input", "bytea", (start) => start.input],
];

interface Attribute {
  readonly start: NewExecution;
  readonly name: string;
  readonly value: string;
}
const attributeColumns: readonly Column<Attribute>[] = [
  ["execution_id", "uuid", ({ start }) => start.id],
  ["namespace", "text", ({ start }) => start.namespace],
  ["name", "text", ({ name }) => name],
  ["value", "text", ({ value }) => value],
];

/** A write with its first record, if it has one: nearly every write has, and few have more. */
interface PlainWrite {
  readonly id: string;
  readonly token: number;
  readonly write: Write;
  readonly row: JournalRow | undefined;
}

const plainWriteOf = (write: Write): PlainWrite => ({
  id: write.lease.executionId,
  token: write.lease.token,
  write,
  row: write.records?.[0],
});

const ofWrite = ([name, type, of]: Column<Write>) =>
  [name, type, ({ write }: PlainWrite) => of(write)] as Column<PlainWrite>;
const ofFirstRecord = ([name, type, of]: Column<RecordRow>) =>
  [name, type, (plain: PlainWrite) => (plain.row === undefined ? null : of(plain as RecordRow))] as Column<PlainWrite>;

const writeColumns: readonly Column<PlainWrite>[] = [
  ...moveColumns.map(ofWrite),
  ["token", "integer", ({ token }) => token],
  ["phases", "integer", ({ write }) => phaseBits(write)],
  ["cancel_blocks", "integer", ({ write }) => Number(ruleOf(write)?.cancelBlocks ?? false)],
  ["seen_inbox", "integer", ({ write }) => seenInbox(write)],
  ["moves", "integer", ({ write }) => Number(write.transition !== undefined)],
  ["undone_count", "integer", ({ write }) => outcomeOf(write)?.undoneCount ?? null],
  ["result", "bytea", ({ write }) => outcomeOf(write)?.result ?? null],
  ["error", "bytea", ({ write }) => outcomeOf(write)?.error ?? null],
  ...recordColumns.filter(([name]) => name !== "execution_id" && name !== "token").map(ofFirstRecord),
];

/** A transition that must have read the inbox, and names none, fits no inbox. */
const noInbox = -1;
function seenInbox(write: Write): number | null {
  return write.seenInbox ?? (ruleOf(write)?.readsInbox === true ? noInbox : null);
}

const startsSql = (first: number): string => {
  const firstAttribute = first + startColumns.length + 1;
  return `
start AS MATERIALIZED (
  SELECT ${unnested(startColumns, first)}),
live AS MATERIALIZED (
  SELECT w.id FROM clock c, makegood.worker w WHERE w.id = ANY($${firstAttribute - 1}::uuid[]) AND w.lease_until > c.now),
keyed AS ( -- in order of key, so that two flushes wait for each other in one direction
  INSERT INTO makegood.execution_key (namespace, job, key, execution_id, fingerprint, retain_ms)
  SELECT s.namespace, s.job, s.key, s.id, s.fingerprint, s.key_retain_ms FROM start s WHERE s.key IS NOT NULL
   ORDER BY s.namespace, s.job, s.key
  ON CONFLICT (namespace, job, key) DO NOTHING
  RETURNING execution_id),
fresh AS MATERIALIZED (
  SELECT s.*, (s.worker IN (SELECT l.id FROM live l)) IS TRUE AS is_claimed
    FROM start s WHERE s.key IS NULL OR s.id IN (SELECT k.execution_id FROM keyed k)),
started AS (
  INSERT INTO makegood.execution (id, namespace, job, version, key, status, token, worker, wake_at, priority, "group", parent,
    created_at, deadline_at, retain_ms)
  SELECT s.id, s.namespace, s.job, s.version, s.key,
         CASE WHEN s.delay_ms > 0 THEN 'waiting' WHEN s.is_claimed THEN 'running' ELSE 'ready' END,
         CASE WHEN s.is_claimed THEN 1 ELSE 0 END, CASE WHEN s.is_claimed THEN s.worker END,
         CASE WHEN NOT s.is_claimed THEN c.now + s.delay_ms END, s.priority, s."group", s.parent,
         c.now, c.now + s.delay_ms + s.timeout_ms, s.retain_ms
    FROM clock c, fresh s),
paid AS (
  INSERT INTO makegood.payload (execution_id, input, root, trace_context, actor)
  SELECT s.id, s.input, s.root, s.trace_context, s.actor FROM fresh s),
tagged AS (
  INSERT INTO makegood.search_attribute (execution_id, namespace, name, value)
  SELECT a.execution_id, a.namespace, a.name, a.value
    FROM (SELECT ${unnested(attributeColumns, firstAttribute)}) a
   WHERE (a.execution_id IN (SELECT s.id FROM fresh s)) IS TRUE)`;
};

/** `started` is null where all were. */
const startedSql = (first: number): string => `
       (SELECT CASE WHEN count(*) < cardinality($${first}::uuid[]) THEN COALESCE(array_agg(s.id)::text, '{}') END FROM fresh s) AS started,
       (SELECT array_agg(l.id)::text FROM live l) AS live`;

const writesSql = (first: number): string => `
passed AS MATERIALIZED ( -- the fence in full; locked until commit, so that no take-over slips in between (F1); busy rows are passed over (F6)
  SELECT w.*
    FROM (SELECT ${unnested(writeColumns, first)}) w
   CROSS JOIN LATERAL (
         SELECT e.id FROM makegood.execution e
          WHERE e.id = w.id AND e.token = w.token AND w.phases & ${phaseBitSql} <> 0
            AND (w.cancel_blocks = 0 OR e.phase <> 'open' OR e.cancel IS NULL)
            AND (w.seen_inbox IS NULL OR e.inbox = w.seen_inbox)
            FOR NO KEY UPDATE SKIP LOCKED) e),
wrote AS (
  INSERT INTO makegood.journal (execution_id, step, role, kind, seq, started, attempt, state, body, at, token, actor)
  SELECT p.id, p.step, p.role, p.kind, p.seq, p.started, p.attempt, p.state, p.body, p.at, p.token, p.actor
    FROM passed p WHERE p.step IS NOT NULL
   UNION ALL
  SELECT r.execution_id, r.step, r.role, r.kind, r.seq, r.started, r.attempt, r.state, r.body, r.at, r.token, r.actor
    FROM (SELECT ${unnested(recordColumns, first + writeColumns.length)}) r
   WHERE (r.execution_id IN (SELECT p.id FROM passed p)) IS TRUE),
kept AS (
  INSERT INTO makegood.outcome (execution_id, result, error, undone_count)
  SELECT p.id, p.result, p.error, p.undone_count FROM passed p WHERE p.undone_count IS NOT NULL
  ON CONFLICT (execution_id) DO NOTHING),
moved AS (
  UPDATE makegood.execution e
     SET ${moveSql.trim()}
    FROM passed m, clock c
   WHERE e.id = m.id AND m.moves = 1)`;

/** `passed` is null where all did. */
const passedSql = (first: number): string => `
       (SELECT CASE WHEN count(*) < cardinality($${first}::uuid[]) THEN COALESCE(array_agg(p.id)::text, '{}') END FROM passed p) AS passed`;

const clockSql = `
WITH clock AS MATERIALIZED (
  SELECT makegood.now_ms() AS now)`;
const startParameterCount = startColumns.length + 1 + attributeColumns.length;
const firstWrite = startParameterCount + 1;

// A lone caller's flush is either; leaving the other half out saves it a tenth of its time.
const statements = {
  starts: `${clockSql},\n${startsSql(1)}\nSELECT c.now,${startedSql(1)}\n  FROM clock c`,
  writes: `${clockSql},\n${writesSql(1)}\nSELECT c.now,${passedSql(1)}\n  FROM clock c`,
  both: `${clockSql},\n${startsSql(1)},\n${writesSql(firstWrite)}\nSELECT c.now,${startedSql(1)},${passedSql(firstWrite)}\n  FROM clock c`,
} as const;

export interface Flushed {
  /** By id: what was started. */
  readonly started: ReadonlyMap<string, StartOutcome>;
  /** Executions whose write landed; null for all of them. */
  readonly passed: ReadonlySet<string> | null;
}

export function flushStatement(starts: readonly NewExecution[], writes: readonly Write[]) {
  const kind = writes.length === 0 ? "starts" : starts.length === 0 ? "writes" : "both";
  return {
    name: `makegood-flush-${kind}`,
    sql: statements[kind],
    parameters: [
      ...(kind === "writes" ? [] : startParameters(starts)),
      ...(kind === "starts" ? [] : writeParameters(writes)),
    ],
  };
}

function startParameters(starts: readonly NewExecution[]): readonly unknown[] {
  const attributes = starts.flatMap((start) =>
    Object.entries(start.attributes).map(([name, value]) => ({ start, name, value })),
  );
  const workers = new Set(starts.map((start) => start.claimFor).filter((worker) => worker !== null));
  return [...arraysOf(startColumns, starts), textArray([...workers]), ...arraysOf(attributeColumns, attributes)];
}

function writeParameters(writes: readonly Write[]): readonly unknown[] {
  const further = recordsOf(writes.filter((write) => (write.records?.length ?? 0) > 1).map(withoutFirstRecord));
  return [...arraysOf(writeColumns, writes.map(plainWriteOf)), ...arraysOf(recordColumns, further)];
}

const withoutFirstRecord = (write: Write): Write => ({ ...write, records: write.records?.slice(1) ?? [] });

export function readFlushed([row]: readonly Row[], starts: readonly NewExecution[]): Flushed {
  const now = int(row?.now);
  const live = new Set(plainList(row?.live));
  const fresh = setOrNull(row?.started);
  const started = new Map<string, StartOutcome>();
  for (const start of starts) {
    if (fresh !== null && !fresh.has(start.id)) continue;
    const isClaimed = start.delayMs === 0 && start.claimFor !== null && live.has(start.claimFor);
    const status: Status = start.delayMs > 0 ? "waiting" : isClaimed ? "running" : "ready";
    const deadlineAt = start.timeoutMs === null ? null : now + start.delayMs + start.timeoutMs;
    started.set(start.id, {
      kind: "started",
      id: start.id,
      round: 0,
      status,
      token: isClaimed ? 1 : 0,
      createdAt: now,
      deadlineAt,
    });
  }
  return { started, passed: setOrNull(row?.passed) };
}

const setOrNull = (found: unknown): ReadonlySet<string> | null =>
  found === null || found === undefined ? null : new Set(plainList(found));
