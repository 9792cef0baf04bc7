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
import type { BarrierOp, BarrierRow, BarrierSql, TransactionGuard } from "../dialect.ts";
import { ask, callGuarded, commit, type Ending, rollback, type Work } from "../work.ts";
import { markText, originOf } from "./row.ts";

type Result = Uint8Array | null;
type Outcome<K extends string> = Began<{ readonly kind: K }>;
/** With what the body gave, now or when it ran. */
type Finished<K extends string> = { readonly kind: K; readonly result?: Uint8Array };
type Sql = BarrierSql & { readonly guard: TransactionGuard };

export function* act(
  sql: Sql,
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
  const result = yield* callGuarded(sql.guard, body);
  yield* keep(sql, mark, op, result);
  return commit({ kind: "ran", result });
}

export function* undo(
  sql: Sql,
  mark: BarrierMark,
  op: "compensation" | "cancel",
  body: (result: Result) => Awaitable<unknown>,
): Work<Ending<Outcome<"empty"> | Finished<"undone" | "already">>> {
  const origin = originOf[op];
  const inserted = yield* ask(sql.insert(mark, [origin, op], op));
  const isFirst = inserted.includes(op);
  if (isFirst && inserted.includes(origin)) return commit({ kind: "empty" });
  const rows = yield* ask(sql.read(mark));
  if (!isFirst) return finished("already", rowOf(rows, op)?.result);
  const row = rowOf(rows, origin);
  if (row === undefined) return rollback(vanished(mark, origin));
  if (row.byOp !== origin) return commit({ kind: "empty" });
  if (op === "cancel") assertNeverBoth(mark, rows, "confirm");
  const result = bytesOf(yield* callGuarded(sql.guard, () => body(row.result)));
  yield* keep(sql, mark, op, result);
  return finished("undone", result);
}

export function* confirm(
  sql: Sql,
  mark: BarrierMark,
  body: (result: Result) => Awaitable<unknown>,
): Work<Ending<Outcome<"missing"> | Finished<"confirmed" | "already">>> {
  const inserted = yield* ask(sql.insert(mark, ["confirm"], "confirm"));
  const rows = yield* ask(sql.read(mark));
  if (inserted.length === 0) return finished("already", rowOf(rows, "confirm")?.result);
  const row = rowOf(rows, "try");
  if (row?.byOp !== "try" || rowOf(rows, "cancel") !== undefined) return rollback({ kind: "missing" });
  const result = bytesOf(yield* callGuarded(sql.guard, () => body(row.result)));
  yield* keep(sql, mark, "confirm", result);
  return finished("confirmed", result);
}

const rowOf = (rows: readonly BarrierRow[], op: BarrierOp): BarrierRow | undefined => rows.find((row) => row.op === op);

const finished = <K extends string>(kind: K, result: Result | undefined): Ending<Finished<K>> =>
  commit(result ? { kind, result } : { kind });

/** The undos and confirms of the engine's own participants give nothing. */
const bytesOf = (given: unknown): Result => (given instanceof Uint8Array ? given : null);

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
