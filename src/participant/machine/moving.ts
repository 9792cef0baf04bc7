// How a row is moved. Two ways:
//
//   at once   The caller says in which state the row is, and the definition alone says where the event leads: compare and
//             set, with the row of the history. One statement on PostgreSQL, two elsewhere. On a miss a look at the row
//             tells why.
//   locked    A guard is to be asked, or the event has an id, or the caller does not say the state, or the state stays, or a
//             refusal is to be recorded: the row is locked first, so that what is decided on cannot change, and movers of
//             one row queue up at it; then its history is written, which an event id can be in only once; then it is changed.
//
// In both ways the user's row is locked before the history is touched, so two movers of one row cannot deadlock.
import { describeValue, InvariantError } from "../../core/errors.ts";
import { type Asked, decide } from "../../core/machine/decide.ts";
import { type Edge, edgesFrom, type Graph } from "../../core/machine/graph.ts";
import type { Columns, Guard } from "../../core/machine/spec.ts";
import { parseNumber } from "../parse-number.ts";
import type { RowId } from "../parse-row.ts";
import { ask, type Work } from "../work.ts";
import { parseState } from "./parse-state.ts";
import { eventIdReused } from "./refusals.ts";
import type { Change, FoundRow, MachineSql, Note } from "./sql.ts";
import type { FirstDelivery, MoveRefused, MoveResult } from "./types.ts";

export interface Moving {
  readonly graph: Graph;
  readonly sql: MachineSql;
  readonly guards: Readonly<Record<string, Guard>>;
  readonly recordsRefusals: boolean;
  /** The columns that a move along this edge writes besides the state: quoted and checked. */
  readonly columnsOf: (edge: Edge, request: Request) => Columns;
  /** Starts the work of the state that was entered by this move, in the same transaction. */
  readonly entered: (edge: Edge, id: RowId, seq: number) => Work<void>;
}

export interface Request extends Asked {
  readonly id: RowId;
  readonly eventId: string | null;
  readonly by: string | null;
  readonly reason: string | null;
  readonly payload: unknown;
  readonly set: Columns;
  /** Only if the row has not been moved since the move of this number. */
  readonly since: number | null;
}

type Result = MoveResult<string>;
type Refused = MoveRefused<string>;

export function* performMove(moving: Moving, request: Request): Work<Result> {
  const edge = edgeAtOnce(moving, request);
  return edge === null ? yield* moveLocked(moving, request) : yield* moveAtOnce(moving, request, edge);
}

// ── At once ────────────────────────────────────────────────────────────────────────────────────────────────────────

/** The edge, if the definition and the caller alone decide on it. A state that stays would change nothing on MySQL, which then counts no row. */
function edgeAtOnce({ graph }: Moving, { state, event, eventId, since }: Request): Edge | null {
  if (state === undefined || eventId !== null || since !== null) return null;
  const edge = edgesFrom(graph, state, event)?.[0];
  return edge === undefined || edge.guard !== null || edge.to === state ? null : edge;
}

function* moveAtOnce(moving: Moving, request: Request, edge: Edge): Work<Result> {
  const note = noteOf(request, "moved", edge.from, edge.to);
  const made = yield* ask(moving.sql.move(changeAlong(moving, request, edge), note));
  if (typeof made === "number") return yield* moved(moving, request, edge, made);
  return made === null ? { kind: "missing" } : staleAt(moving, made);
}

// ── Locked ─────────────────────────────────────────────────────────────────────────────────────────────────────────

function* moveLocked(moving: Moving, request: Request): Work<Result> {
  const { graph, sql, guards } = moving;
  const found = yield* ask(sql.lock(request.id, asksGuards(moving, request)));
  if (found === null) return { kind: "missing" };
  if (request.eventId !== null) {
    const first = yield* firstDelivery(moving, request, found.entity);
    if (first !== null) return { kind: "duplicate", first };
  }
  const actual = parseState(graph, found.state);
  if (request.since !== null && (yield* ask(sql.lastMove(found.entity))) !== request.since)
    return { kind: "stale", actual, version: found.version };
  const decision = decide(
    graph,
    request,
    { state: actual, version: found.version },
    (guard) => guards[guard]?.(found.row, request.payload) === true,
  );
  switch (decision.kind) {
    case "stale":
      return { kind: "stale", actual, version: found.version };
    case "illegal":
      return yield* refuse(moving, request, found, { kind: "illegal", actual, legal: decision.legal });
    case "guarded":
      return yield* refuse(moving, request, found, { kind: "guarded", actual, guard: decision.guard });
    case "move":
      return yield* moveHeld(moving, request, found, decision.edge);
  }
}

/** The lock is ours and the row as we read it, so the change cannot miss. */
function* moveHeld(moving: Moving, request: Request, found: FoundRow, edge: Edge): Work<Result> {
  const seq = yield* ask(moving.sql.note(found.entity, noteOf(request, "moved", edge.from, edge.to)));
  if (seq === null) return { kind: "duplicate", first: yield* certainFirst(moving, request, found.entity) };
  yield* ask(moving.sql.change(changeAlong(moving, request, edge)));
  return yield* moved(moving, request, edge, seq);
}

function* refuse(
  moving: Moving,
  request: Request,
  found: FoundRow,
  refused: Refused & { kind: "illegal" | "guarded" },
): Work<Result> {
  if (!moving.recordsRefusals) return refused;
  const seq = yield* ask(moving.sql.note(found.entity, noteOf(request, refused.kind, refused.actual, null)));
  return seq === null ? { kind: "duplicate", first: yield* certainFirst(moving, request, found.entity) } : refused;
}

/** Guards are given the whole row; reading it whole costs more, so only where one may be asked. */
function asksGuards({ graph }: Moving, { state, event }: Request): boolean {
  const states = state === undefined ? graph.states : [state];
  return states.some((at) => edgesFrom(graph, at, event)?.some(({ guard }) => guard !== null) === true);
}

// ── Repeated events ────────────────────────────────────────────────────────────────────────────────────────────────

function* firstDelivery(moving: Moving, request: Request, entity: string): Work<FirstDelivery<string> | null> {
  const { graph, sql } = moving;
  const row = yield* ask(sql.earlier(entity, request.eventId ?? ""));
  if (row === null) return null;
  if (row["event"] !== request.event) throw eventIdReused(graph.name, request, String(row["event"]));
  return {
    outcome: row["outcome"] as FirstDelivery<string>["outcome"],
    from: String(row["from_state"]),
    to: row["to_state"] === null ? null : String(row["to_state"]),
    at: new Date(parseNumber(row["at"], "at")),
  };
}

/** The insert met it, so it is there. */
function* certainFirst(moving: Moving, request: Request, entity: string): Work<FirstDelivery<string>> {
  const first = yield* firstDelivery(moving, request, entity);
  if (first !== null) return first;
  throw new InvariantError(
    `Expected event id ${describeValue(request.eventId)} in the history of ${moving.graph.name}, found none`,
  );
}

// ── Parts ──────────────────────────────────────────────────────────────────────────────────────────────────────────

function* moved(moving: Moving, request: Request, edge: Edge, seq: number): Work<Result> {
  yield* moving.entered(edge, request.id, seq);
  return { kind: "moved", from: edge.from, to: edge.to, seq };
}

/** Compared and set: it was another state, or version, at that moment, whatever it is by now. */
function staleAt({ graph }: Moving, found: FoundRow): Refused {
  return { kind: "stale", actual: parseState(graph, found.state), version: found.version };
}

function changeAlong(moving: Moving, request: Request, edge: Edge): Change {
  const columns = Object.entries(moving.columnsOf(edge, request));
  return {
    id: request.id,
    from: edge.from,
    to: edge.to,
    version: request.version ?? null,
    columns: columns.map(([column]) => column),
    values: columns.map(([, value]) => value),
  };
}

function noteOf(request: Request, outcome: Note["outcome"], from: string, to: string | null): Note {
  const { event, eventId, by, reason } = request;
  return { outcome, event, from, to, eventId, by, reason };
}
