// The flush: any number of plain starts and plain writes in one prepared statement, which is one round trip and one commit.
//
// The statement is put together from parts, and has only those that the flush needs: a part that does nothing costs the
// server 15 to 30 µs all the same. There is one prepared statement for each choice of parts that occurs, under a name of its own.
//
// It inserts without asking whether the rows are there. Only a repeat, after an unknown outcome, meets its own rows; the
// statement then fails as a whole and its elements take the way of server/land-writes.ts, which asks. What that saves is in columns.ts.
//
// What matters for its plan: the guard rows come by primary key whatever the statistics say (a lateral sub-select, and
// `phaseBitSql`); CTEs are compared by hashed sub-plans, never joined, since the planner believes that each has ten rows.
import { phases } from "../../core/execution.ts";
import type { Row } from "../../core/script.ts";
import type { NewExecution, StartOutcome, Write } from "../../core/store.ts";
import type { Flushed } from "../server/commit.ts";
import { ruleOf } from "../server/fence.ts";
import { areAlike, arraysOf, type Column, type Rows, unnested } from "./columns.ts";
import { notifySql } from "./notify.ts";
import { phaseBitSql, phaseBits } from "./phase-bits.ts";
import {
  attributeColumns,
  attributesOf,
  keyedSql,
  ownerOf,
  type StartShape,
  shapeOfStarts,
  startColumnsOf,
  startedSql,
  taggedSql,
} from "./start-rows.ts";
import { int, plainList, textArray, uuidArray } from "./values.ts";
import { moveColumns, moveSql, recordColumns, recordsOf } from "./write-rows.ts";

// ── Writes ─────────────────────────────────────────────────────────────────────────────────────────────────────────

/** Beside the bits of `phaseBits`: an accepted cancel refuses it while the phase is open. */
const cancelBlocksBit = 1 << phases.length;

const guardColumns: readonly Column<Write>[] = [
  ["id", "uuid", (write) => write.lease.executionId],
  ["token", "integer", (write) => write.lease.token, "mostly-alike"],
  ["fence", "integer", fenceBits, "mostly-alike"],
];
const inboxColumns: readonly Column<Write>[] = [["seen_inbox", "integer", seenInbox]];

function fenceBits(write: Write): number {
  return phaseBits(write) | (ruleOf(write)?.cancelBlocks === true ? cancelBlocksBit : 0);
}

/** A transition that must have read the inbox, and names none, fits no inbox. */
const noInbox = -1;
function seenInbox(write: Write): number | null {
  return write.seenInbox ?? (ruleOf(write)?.readsInbox === true ? noInbox : null);
}

// ── The statement ──────────────────────────────────────────────────────────────────────────────────────────────────

/** Which parts a flush needs. `inboxes`: writes that must have read theirs; `notes`: it announces what it starts. */
interface Shape extends StartShape {
  readonly starts: Rows | false;
  readonly writes: Rows | false;
  readonly inboxes: boolean;
  readonly records: Rows | false;
  readonly moves: Rows | false;
  readonly notes: boolean;
}

/** `isAlone`: nothing else is in the flush. One that is, mostly because nobody else is about, is waited for. */
function rowsAs<T>(columns: readonly Column<T>[], rows: readonly T[], isAlone: boolean): Rows | false {
  if (rows.length === 0) return false;
  if (isAlone && rows.length === 1) return "one";
  return areAlike(columns, rows) ? "alike" : "various";
}

const guardColumnsOf = ({ inboxes }: Shape): readonly Column<Write>[] => [
  ...guardColumns,
  ...(inboxes ? inboxColumns : []),
];

/** @param notes what it announces, of `Notices.withCommit`. */
export function flushStatement(
  starts: readonly NewExecution[],
  writes: readonly Write[],
  notes: readonly string[] | null,
) {
  const workers = [...new Set(starts.map(ownerOf).filter((worker) => worker !== null))];
  const attributes = starts.flatMap(attributesOf);
  const records = recordsOf(writes);
  const moves = writes.filter((write) => write.transition !== undefined);
  const startShape = shapeOfStarts(starts);
  const isAlone = starts.length + writes.length === 1;
  const shape: Shape = {
    starts: rowsAs(startColumnsOf(startShape), starts, isAlone),
    ...startShape,
    writes: rowsAs(guardColumns, writes, isAlone),
    inboxes: writes.some((write) => seenInbox(write) !== null),
    records: rowsAs(recordColumns, records, isAlone),
    moves: rowsAs(moveColumns, moves, isAlone),
    notes: notes !== null,
  };
  // In the order in which `sqlOf` numbers them.
  return {
    ...statementOf(shape),
    parameters: [
      ...parametersOf(shape.starts, startColumnsOf(shape), starts),
      ...(shape.owners ? [uuidArray(workers)] : []),
      ...(shape.attributes ? arraysOf(attributeColumns, attributes) : []),
      ...parametersOf(shape.writes, guardColumnsOf(shape), writes),
      ...parametersOf(shape.records, recordColumns, records),
      ...parametersOf(shape.moves, moveColumns, moves),
      ...(notes === null ? [] : [textArray(notes)]),
    ],
  };
}

const parametersOf = <T>(as: Rows | false, columns: readonly Column<T>[], rows: readonly T[]) =>
  as === false ? [] : arraysOf(columns, rows, as);

const suffixes: Readonly<Record<string, string>> = { alike: "+", one: "1" };
const statements = new Map<string, { readonly name: string; readonly sql: string }>();

function statementOf(shape: Shape): { readonly name: string; readonly sql: string } {
  const choice = Object.values(shape).join();
  const known = statements.get(choice) ?? { name: nameOf(shape), sql: sqlOf(shape) };
  statements.set(choice, known);
  return known;
}

/** In short, since PostgreSQL keeps 63 characters of a name: `st+` for starts that are alike, `st1` for one. */
function nameOf(shape: Shape): string {
  const parts = Object.entries(shape).filter(([, as]) => as !== false);
  return `makegood-flush-${parts.map(([part, as]) => part.slice(0, 2) + (suffixes[`${as}`] ?? "")).join("-")}`;
}

function sqlOf(shape: Shape): string {
  let parameterCount = 0;
  const next = (): number => parameterCount + 1;
  const rows = <T>(columns: readonly Column<T>[], as: Rows): string => {
    const sql = `SELECT ${unnested(columns, next(), as)}`;
    parameterCount += columns.length;
    return sql;
  };
  const when = <T extends Rows | boolean>(needed: T, part: (as: Exclude<T, false>) => string): readonly string[] =>
    needed === false ? [] : [part(needed as Exclude<T, false>)];
  const ctes = [
    ...when(
      shape.starts !== false || shape.moves !== false,
      () => "clock AS MATERIALIZED (\n  SELECT makegood.now_ms() AS now)",
    ),
    ...when(shape.starts, (as) => `start AS (\n  ${rows(startColumnsOf(shape), as)})`),
    ...when(shape.owners, () => liveSql(++parameterCount)),
    ...when(shape.keys, () => keyedSql),
    ...when(shape.starts, () => startedSql(shape)),
    ...when(shape.attributes, () => taggedSql(rows(attributeColumns, "various"))),
    ...when(shape.writes, (as) => passedSql(shape, next(), rows(guardColumnsOf(shape), as))),
    ...when(shape.records, (as) => wroteSql(shape, rows(recordColumns, as))),
    ...when(shape.moves, (as) => movedSql(shape, rows(moveColumns, as))),
  ];
  const answers = [
    ...when(shape.starts, () => "(SELECT c.now FROM clock c) AS now"),
    ...when(shape.owners, () => "(SELECT array_agg(l.id)::text FROM live l) AS live"),
    ...when(shape.keys, () => "(SELECT COALESCE(array_agg(s.id)::text, '{}') FROM started s) AS started"),
    ...when(shape.writes, () => notAllSql(shape)),
    ...when(shape.notes, () => `(${notifySql(next())}) AS told`),
  ];
  return `WITH ${ctes.join(",\n")}\nSELECT ${answers.join(",\n       ")}`;
}

const liveSql = (parameter: number): string => `live AS MATERIALIZED (
  SELECT w.id FROM clock c, makegood.worker w WHERE w.id = ANY($${parameter}::uuid[]) AND w.lease_until > c.now)`;

/** The fence in full; locked until commit, so that no take-over slips in between (F1); busy rows are passed over (F6). */
const passedSql = ({ inboxes, writes }: Shape, ids: number, guards: string): string => `passed AS MATERIALIZED (
  SELECT g.id
    FROM (${guards}) g
   CROSS JOIN LATERAL (
         SELECT FROM makegood.execution e
          WHERE e.id = g.id AND e.token = g.token AND g.fence & ${phaseBitSql} <> 0
            AND (g.fence < ${cancelBlocksBit} OR e.phase <> 'open' OR e.cancel IS NULL)
            ${inboxes ? "AND (g.seen_inbox IS NULL OR e.inbox = g.seen_inbox)" : ""}
            FOR NO KEY UPDATE SKIP LOCKED) e)${writes === "one" ? "" : `,\n${wholeSql(ids)}`}`;

/** Whether all passed: mostly so, and then no row needs to be looked up among them. */
const wholeSql = (ids: number): string => `whole AS MATERIALIZED (
  SELECT count(*) = cardinality($${ids}::uuid[]) AS is_so FROM passed)`;

const hasPassedSql = ({ writes }: Shape, id: string): string =>
  writes === "one"
    ? "EXISTS (SELECT FROM passed p)"
    : `((SELECT w.is_so FROM whole w) OR ${id} IN (SELECT p.id FROM passed p))`;

const wroteSql = (shape: Shape, records: string): string => `wrote AS (
  INSERT INTO makegood.journal (execution_id, step, role, kind, seq, started, attempt, state, body, at, token, actor)
  SELECT r.execution_id, r.step, r.role, r.kind, r.seq, r.started, r.attempt, r.state, r.body, r.at, r.token, r.actor
    FROM (${records}) r
   WHERE ${hasPassedSql(shape, "r.execution_id")})`;

const movedSql = (shape: Shape, moves: string): string => `moved AS (
  UPDATE makegood.execution e
     SET ${moveSql.trim()}
    FROM (${moves}) m, clock c
   WHERE e.id = m.id AND ${hasPassedSql(shape, "m.id")})`;

/** Null where all passed. */
const notAllSql = ({ writes }: Shape): string =>
  writes === "one"
    ? "CASE WHEN NOT EXISTS (SELECT FROM passed p) THEN '{}' END AS passed"
    : "(SELECT CASE WHEN NOT w.is_so THEN (SELECT COALESCE(array_agg(p.id)::text, '{}') FROM passed p) END FROM whole w) AS passed";

// ── The answer ─────────────────────────────────────────────────────────────────────────────────────────────────────

export function readFlushed([row]: readonly Row[], starts: readonly NewExecution[], hasNotes: boolean): Flushed {
  const passed = setOrNull(row?.passed);
  const started = new Map<string, StartOutcome>();
  if (starts.length === 0) return { started, passed };
  const now = int(row?.now);
  const live = new Set(plainList(row?.live));
  const fresh = setOrNull(row?.started);
  for (const start of starts) {
    if (fresh !== null && !fresh.has(start.id)) continue;
    const owner = ownerOf(start);
    const isClaimed = owner !== null && live.has(owner);
    started.set(start.id, {
      kind: "started",
      id: start.id,
      round: 0,
      status: start.delayMs > 0 ? "waiting" : isClaimed ? "running" : "ready",
      token: isClaimed ? 1 : 0,
      createdAt: now,
      deadlineAt: start.timeoutMs === null ? null : now + start.delayMs + start.timeoutMs,
      isAnnounced: hasNotes && owner === null,
    });
  }
  return { started, passed };
}

const setOrNull = (found: unknown): ReadonlySet<string> | null =>
  found === null || found === undefined ? null : new Set(plainList(found));
