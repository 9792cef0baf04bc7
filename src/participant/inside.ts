// Performs an operation in a transaction that the caller holds, begins and ends: `orders.once(tx, …)` and its like. What the
// database or the body throws comes through as it is, since the caller's own error handling decides about the transaction;
// before that the operation itself hears of it (a `catch` in its generator), so that it can take back a row of its own.
//
// An operation comes to its first statement before the client is asked whether there is a transaction, which takes some of
// them a statement: so an argument that it refuses is refused before the database hears of anything.
import type { Answer, Awaitable, Mode, TxAdapter } from "../core/participant.ts";
import { isSync } from "./alone.ts";
import { settled } from "./transaction.ts";
import type { Move, Work } from "./work.ts";

/** Where an operation is performed: the client, the caller's transaction, and what an error of ours there means. */
export interface Inside<Tx, M extends Mode> {
  readonly adapter: TxAdapter<Tx, M>;
  readonly tx: Tx;
  /** The error to throw in place of one of a statement of ours. */
  readonly explain: (error: unknown) => unknown;
}

/** Throws (or rejects with) what the operation does not catch; of a synchronous client at once. */
export function performInside<Tx, M extends Mode, T>(
  { adapter, tx, explain }: Inside<Tx, M>,
  work: Work<T>,
): Answer<M, T> {
  if (isSync(adapter)) {
    const move = (next: Move): unknown => {
      if (next.kind === "body") return settled(next.run() as Awaitable<unknown>);
      return adapter.query(tx, next.statement.sql, next.statement.parameters);
    };
    return performSync(work, move, explain, () => adapter.assertTransaction?.(tx)) as Answer<M, T>;
  }
  const move = (next: Move): unknown =>
    next.kind === "body" ? next.run() : adapter.query(tx, next.statement.sql, next.statement.parameters);
  return perform(work, move, explain, () => adapter.assertTransaction?.(tx)) as Answer<M, T>;
}

type Explain = (error: unknown) => unknown;

async function perform<T>(
  work: Work<T>,
  move: (next: Move) => unknown,
  explain: Explain,
  assert: () => unknown,
): Promise<T> {
  const first = work.next();
  await assert();
  for (let turn = first; ; ) {
    if (turn.done) return turn.value;
    let answer: unknown;
    try {
      answer = await move(turn.value);
    } catch (error) {
      turn = work.throw(turn.value.kind === "body" ? error : explain(error));
      continue;
    }
    turn = work.next(answer);
  }
}

function performSync<T>(work: Work<T>, move: (next: Move) => unknown, explain: Explain, assert: () => void): T {
  const first = work.next();
  assert();
  for (let turn = first; ; ) {
    if (turn.done) return turn.value;
    let answer: unknown;
    try {
      answer = move(turn.value);
    } catch (error) {
      turn = work.throw(turn.value.kind === "body" ? error : explain(error));
      continue;
    }
    turn = work.next(answer);
  }
}
