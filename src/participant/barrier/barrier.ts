// The barrier: a row for each branch and op, in the same transaction as the effect, makes what is repeated, empty or late
// harmless (DTM's algorithm, protocols of Seata's fence; the primary key is the judge, and the second comer waits for it).
//
//   action, try            insert (op, by op)      inserted: run, keep the result in the row
//                                                  not: by itself: it ran before, here is its result; by its undo: too late
//   compensation, cancel   insert (origin, by undo) and (undo, by undo)
//                                                  both inserted: empty, and the origin is blocked for good
//                                                  only the undo: run it, with the origin's result
//                                                  neither: it was undone before
//   confirm                insert (confirm, by confirm)
//                                                  inserted and the try ran: run it
//                                                  inserted, no try: missing; rolled back, so that nothing is left behind
//                                                  not: confirmed before
//
// An empty undo leaves both rows, so that its repeat is told apart from a first undo: with the origin's row alone, the
// repeat would insert the undo's row and undo what never happened.
import { InvariantError, StoreConflictError } from "../../core/errors.ts";
import type { Awaitable, BarrierMark, Began } from "../../core/participant.ts";
import type { BarrierOp, BarrierRow, BarrierSql } from "../dialect.ts";
import { ask, call, commit, type Ending, rollback, type Work } from "../work.ts";
import { markText, originOf } from "./row.ts";

type Result = Uint8Array | null;
type Outcome<K extends string> = Began<{ readonly kind: K }>;

export function* act(
  sql: BarrierSql,
  mark: BarrierMark,
  op: "action" | "try",
  body: () => Awaitable<Result>,
): Work<Ending<Outcome<"blocked"> | { readonly kind: "ran" | "stored"; readonly result: Result }>> {
  const inserted = yield* ask(sql.insert(mark, [op], op));
  if (inserted.length === 0) {
    const row = rowOf(yield* ask(sql.read(mark)), op);
    if (row === undefined) return rollback(vanished(mark, op));
    return commit(row.byOp === op ? { kind: "stored", result: row.result } : { kind: "blocked" });
  }
  const result = yield* call(body);
  yield* keep(sql, mark, op, result);
  return commit({ kind: "ran", result });
}

export function* undo(
  sql: BarrierSql,
  mark: BarrierMark,
  op: "compensation" | "cancel",
  body: (result: Result) => Awaitable<void>,
): Work<Ending<Outcome<"undone" | "empty" | "already">>> {
  const origin = originOf[op];
  const inserted = yield* ask(sql.insert(mark, [origin, op], op));
  if (!inserted.includes(op)) return commit({ kind: "already" });
  if (inserted.includes(origin)) return commit({ kind: "empty" });
  const rows = yield* ask(sql.read(mark));
  const row = rowOf(rows, origin);
  if (row === undefined) return rollback(vanished(mark, origin));
  if (row.byOp !== origin) return commit({ kind: "empty" });
  if (op === "cancel") assertNeverBoth(mark, rows, "confirm");
  yield* call(() => body(row.result));
  yield* keep(sql, mark, op, null);
  return commit({ kind: "undone" });
}

export function* confirm(
  sql: BarrierSql,
  mark: BarrierMark,
  body: (result: Result) => Awaitable<void>,
): Work<Ending<Outcome<"confirmed" | "already" | "missing">>> {
  const inserted = yield* ask(sql.insert(mark, ["confirm"], "confirm"));
  if (inserted.length === 0) return commit({ kind: "already" });
  const rows = yield* ask(sql.read(mark));
  const row = rowOf(rows, "try");
  if (row?.byOp !== "try" || rowOf(rows, "cancel") !== undefined) return rollback({ kind: "missing" });
  yield* call(() => body(row.result));
  yield* keep(sql, mark, "confirm", null);
  return commit({ kind: "confirmed" });
}

const rowOf = (rows: readonly BarrierRow[], op: BarrierOp): BarrierRow | undefined => rows.find((row) => row.op === op);

/** Always the last statement, with a result or without: it finds out a transaction that the body left aborted or ended. */
function* keep(sql: BarrierSql, mark: BarrierMark, op: BarrierOp, result: Result): Work<void> {
  if (yield* ask(sql.keep(mark, op, result))) return;
  throw new InvariantError(
    `Expected the transaction to be open when its body returned, found it ended (${markText(mark)}, ${op}); a body must not send COMMIT or ROLLBACK. Its effect may have happened`,
    { ...mark, op },
  );
}

/** The row stood in the insert's way and was gone a moment later: pruned by hand, or an isolation level above READ COMMITTED. */
function vanished(mark: BarrierMark, op: BarrierOp): { readonly kind: "unavailable"; readonly error: unknown } {
  const message = `Expected the barrier row that stood in the way to be readable, found none (${markText(mark)}, ${op}); the transaction must be READ COMMITTED`;
  return { kind: "unavailable", error: new StoreConflictError(message, { ...mark, op }) };
}

/** The engine decides between confirm and cancel by one compare-and-set; both in one branch means that someone else called. */
function assertNeverBoth(mark: BarrierMark, rows: readonly BarrierRow[], other: BarrierOp): void {
  if (rowOf(rows, other) === undefined) return;
  throw new InvariantError(`Expected a confirmed branch never to be canceled, found both (${markText(mark)})`, {
    ...mark,
  });
}
