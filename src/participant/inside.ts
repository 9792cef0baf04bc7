// Performs an operation in a transaction that the caller holds, begins and ends: `orders.once(tx, …)` and its like. What the
// database or the body throws comes through as it is, since the caller's own error handling decides about the transaction;
// before that the operation itself hears of it (a `catch` in its generator), so that it can take back a row of its own.
//
// An operation comes to its first statement before the client is asked whether there is a transaction, which takes some of
// them a statement: so an argument that it refuses is refused before the database hears of anything.
import type { Answer, Mode, TxAdapter } from "../core/participant.ts";
import type { Row, Statement } from "../core/script.ts";
import { isSync } from "./alone.ts";
import { settled } from "./transaction.ts";
import { isBody, type Work } from "./work.ts";

/** Where an operation is performed: the client, the caller's transaction, and what an error of ours there means. */
export interface Inside<Tx, M extends Mode> {
  readonly adapter: TxAdapter<Tx, M>;
  readonly tx: Tx;
  /** The error to throw in place of one of a statement of ours. */
  readonly explain: (error: unknown) => unknown;
}

/** Throws (or rejects with) what the operation does not catch; of a synchronous client at once. */
export function performInside<Tx, M extends Mode, T>(inside: Inside<Tx, M>, work: Work<T>): Answer<M, T> {
  const { adapter, tx, explain } = inside;
  return (isSync(adapter) ? performSync({ adapter, tx, explain }, work) : perform(inside, work)) as Answer<M, T>;
}

async function perform<Tx, T>({ adapter, tx, explain }: Inside<Tx, Mode>, work: Work<T>): Promise<T> {
  const first = work.next();
  await adapter.assertTransaction?.(tx);
  for (let turn = first; ; ) {
    if (turn.done) return turn.value;
    const move = turn.value;
    let answer: unknown;
    try {
      answer = await (isBody(move) ? move.run() : adapter.query(tx, move.sql, move.parameters));
    } catch (error) {
      turn = work.throw(isBody(move) ? error : explain(error));
      continue;
    }
    turn = work.next(answer);
  }
}

function performSync<Tx, T>({ adapter, tx, explain }: Inside<Tx, "sync">, work: Work<T>): T {
  const first = work.next();
  adapter.assertTransaction?.(tx);
  for (let turn = first; ; ) {
    if (turn.done) return turn.value;
    const move = turn.value;
    let answer: unknown;
    try {
      answer = isBody(move) ? settled(move.run()) : send(adapter, tx, move);
    } catch (error) {
      turn = work.throw(isBody(move) ? error : explain(error));
      continue;
    }
    turn = work.next(answer);
  }
}

const noColumns: Row = {};

/** A script that asks for a count is handed so many empty rows. */
function send<Tx>(adapter: TxAdapter<Tx, "sync">, tx: Tx, { sql, change, parameters }: Statement): readonly Row[] {
  if (change === undefined || adapter.change === undefined) return adapter.query(tx, sql, parameters);
  return new Array<Row>(adapter.change(tx, change, parameters)).fill(noColumns);
}
