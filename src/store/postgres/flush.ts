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
import { arraysOf, type Column, unnested } from "./columns.ts";
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
import { int, plainList, uuidArray } from "./values.ts";
import { moveColumns, moveSql, recordColumns, recordsOf } from "./write-rows.ts";

// ── Writes ─────────────────────────────────────────────────────────────────────────────────────────────────────────

/** Beside the bits of `phaseBits`: an accepted cancel refuses it while the phase is open. */
const cancelBlocksBit = 1 << phases.length;

const guardColumns: readonly Column<Write>[] = [
  ["id", "uuid", (write) => write.lease.executionId],
  ["token", "integer", (write) => write.lease.token],
  ["fence", "integer", (write) => phaseBits(write) | (ruleOf(write)?.cancelBlocks === true ? cancelBlocksBit : 0)],
];
const inboxColumns: readonly Column<Write>[] = [["seen_inbox", "integer", seenInbox]];

/** A transition that must have read the inbox, and names none, fits no inbox. */
const noInbox = -1;
function seenInbox(write: Write): number | null {
  return write.seenInbox ?? (ruleOf(write)?.readsInbox === true ? noInbox : null);
}

// ── The statement ──────────────────────────────────────────────────────────────────────────────────────────────────

/** Which parts a flush needs. `inboxes`: writes that must have read theirs. */
interface Shape extends StartShape {
  readonly starts: boolean;
  readonly writes: boolean;
  readonly inboxes: boolean;
  readonly records: boolean;
  readonly moves: boolean;
}

const guardColumnsOf = ({ inboxes }: Shape): readonly Column<Write>[] => [
  ...guardColumns,
  ...(inboxes ? inboxColumns : []),
];

export function flushStatement(starts: readonly NewExecution[], writes: readonly Write[]) {
  const workers = [...new Set(starts.map(ownerOf).filter((worker) => worker !== null))];
  const attributes = starts.flatMap(attributesOf);
  const records = recordsOf(writes);
  const moves = writes.filter((write) => write.transition !== undefined);
  const shape: Shape = {
    starts: starts.length > 0,
    ...shapeOfStarts(starts),
    writes: writes.length > 0,
    inboxes: writes.some((write) => seenInbox(write) !== null),
    records: records.length > 0,
    moves: moves.length > 0,
  };
  // In the order in which `sqlOf` numbers them.
  return {
    ...statementOf(shape),
    parameters: [
      ...(shape.starts ? arraysOf(startColumnsOf(shape), starts) : []),
      ...(shape.owners ? [uuidArray(workers)] : []),
      ...(shape.attributes ? arraysOf(attributeColumns, attributes) : []),
      ...(shape.writes ? arraysOf(guardColumnsOf(shape), writes) : []),
      ...(shape.records ? arraysOf(recordColumns, records) : []),
      ...(shape.moves ? arraysOf(moveColumns, moves) : []),
    ],
  };
}

const statements = new Map<string, { readonly name: string; readonly sql: string }>();

function statementOf(shape: Shape): { readonly name: string; readonly sql: string } {
  const parts = Object.entries(shape).filter(([, isNeeded]) => isNeeded);
  const name = `makegood-flush-${parts.map(([part]) => part).join("-")}`;
  const known = statements.get(name) ?? { name, sql: sqlOf(shape) };
  statements.set(name, known);
  return known;
}

function sqlOf(shape: Shape): string {
  let parameterCount = 0;
  const next = (): number => parameterCount + 1;
  const rows = <T>(columns: readonly Column<T>[]): string => {
    const sql = `SELECT ${unnested(columns, next())}`;
    parameterCount += columns.length;
    return sql;
  };
  const when = (isNeeded: boolean, part: () => string): readonly string[] => (isNeeded ? [part()] : []);
  const ctes = [
    ...when(shape.starts || shape.moves, () => "clock AS MATERIALIZED (\n  SELECT makegood.now_ms() AS now)"),
    ...when(shape.starts, () => `start AS (\n  ${rows(startColumnsOf(shape))})`),
    ...when(shape.owners, () => liveSql(++parameterCount)),
    ...when(shape.keys, () => keyedSql),
    ...when(shape.starts, () => startedSql(shape)),
    ...when(shape.attributes, () => taggedSql(rows(attributeColumns))),
    ...when(shape.writes, () => passedSql(shape, next(), rows(guardColumnsOf(shape)))),
    ...when(shape.records, () => wroteSql(rows(recordColumns))),
    ...when(shape.moves, () => movedSql(rows(moveColumns))),
  ];
  const answers = [
    ...when(shape.starts, () => "(SELECT c.now FROM clock c) AS now"),
    ...when(shape.owners, () => "(SELECT array_agg(l.id)::text FROM live l) AS live"),
    ...when(shape.keys, () => "(SELECT COALESCE(array_agg(s.id)::text, '{}') FROM started s) AS started"),
    ...when(shape.writes, () => notAllSql),
  ];
  return `WITH ${ctes.join(",\n")}\nSELECT ${answers.join(",\n       ")}`;
}

const liveSql = (parameter: number): string => `live AS MATERIALIZED (
  SELECT w.id FROM clock c, makegood.worker w WHERE w.id = ANY($${parameter}::uuid[]) AND w.lease_until > c.now)`;

/** The fence in full; locked until commit, so that no take-over slips in between (F1); busy rows are passed over (F6). */
const passedSql = ({ inboxes }: Shape, ids: number, guards: string): string => `passed AS MATERIALIZED (
  SELECT g.id
    FROM (${guards}) g
   CROSS JOIN LATERAL (
         SELECT FROM makegood.execution e
          WHERE e.id = g.id AND e.token = g.token AND g.fence & ${phaseBitSql} <> 0
            AND (g.fence < ${cancelBlocksBit} OR e.phase <> 'open' OR e.cancel IS NULL)
            ${inboxes ? "AND (g.seen_inbox IS NULL OR e.inbox = g.seen_inbox)" : ""}
            FOR NO KEY UPDATE SKIP LOCKED) e),
whole AS MATERIALIZED ( -- whether all passed: mostly so, and then no row needs to be looked up in it
  SELECT count(*) = cardinality($${ids}::uuid[]) AS is_so FROM passed)`;

const hasPassedSql = (id: string): string => `((SELECT w.is_so FROM whole w) OR ${id} IN (SELECT p.id FROM passed p))`;

const wroteSql = (records: string): string => `wrote AS (
  INSERT INTO makegood.journal (execution_id, step, role, kind, seq, started, attempt, state, body, at, token, actor)
  SELECT r.execution_id, r.step, r.role, r.kind, r.seq, r.started, r.attempt, r.state, r.body, r.at, r.token, r.actor
    FROM (${records}) r
   WHERE ${hasPassedSql("r.execution_id")})`;

const movedSql = (moves: string): string => `moved AS (
  UPDATE makegood.execution e
     SET ${moveSql.trim()}
    FROM (${moves}) m, clock c
   WHERE e.id = m.id AND ${hasPassedSql("m.id")})`;

/** Null where all passed. */
const notAllSql = `(SELECT CASE WHEN NOT w.is_so THEN (SELECT COALESCE(array_agg(p.id)::text, '{}') FROM passed p) END FROM whole w) AS passed`;

// ── The answer ─────────────────────────────────────────────────────────────────────────────────────────────────────

export function readFlushed([row]: readonly Row[], starts: readonly NewExecution[]): Flushed {
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
    });
  }
  return { started, passed };
}

const setOrNull = (found: unknown): ReadonlySet<string> | null =>
  found === null || found === undefined ? null : new Set(plainList(found));
