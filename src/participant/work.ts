// What an operation does inside a transaction, as a conversation: it asks for a statement, or for the user's body, and is
// handed the answer. So one text serves synchronous clients, where nothing may be awaited, and asynchronous ones.
import type { Awaitable } from "../core/participant.ts";
import type { Row, Script, Statement } from "../core/script.ts";
import type { TransactionGuard } from "./dialect.ts";

export interface Body {
  readonly run: () => unknown;
}
export type Move = Statement | Body;

export type Work<T> = Generator<Move, T, unknown>;

export const isBody = (move: Move): move is Body => "run" in move;

/** How the work leaves its transaction: `value` is the answer in either case. */
export interface Ending<T> {
  readonly commit: boolean;
  readonly value: T;
}
export const commit = <T>(value: T): Ending<T> => ({ commit: true, value });
export const rollback = <T>(value: T): Ending<T> => ({ commit: false, value });

/** Runs a script of ours. Errors end it here: a script may delegate to a list of statements, into which none can be thrown. */
export function* ask<T>(script: Script<T>): Work<T> {
  for (let turn = script.next(); ; ) {
    if (turn.done) return turn.value;
    turn = script.next((yield turn.value) as readonly Row[]);
  }
}

/** Runs the user's body. */
export function* call<R>(run: () => Awaitable<R>): Work<R> {
  return (yield { run }) as R;
}

/** Runs the user's body in a transaction that the participant began, and finds out one that ended it. */
export function* callGuarded<R>(guard: TransactionGuard, run: () => Awaitable<R>): Work<R> {
  yield* ask(guard.enter());
  const result = yield* call(run);
  yield* ask(guard.leave());
  return result;
}
