// What a user sees of locks. How they are kept is in src/lock.
import type { Duration } from "./duration.ts";
import type { Awaitable } from "./participant.ts";

export interface LockOptions {
  /** How long to wait for it while another holds it, from the call on. Default 0: not at all. 0 … 1 d. */
  readonly wait?: Duration;
  /** How long it outlives its holder's process; renewed every third of that for as long as the function runs. Default 30 s, 300 ms … 1 h. */
  readonly lease?: Duration;
  /**
   * Whether there is nothing left to do. Asked before the lock is taken, and again once it is held, since whoever held it
   * may have done the work meanwhile: true gives `{ kind: "unneeded" }`. With other options it stays the same question.
   */
  readonly unless?: () => Awaitable<boolean>;
  /** Gives up the waiting: rejects with its reason. Does not end a function that runs. */
  readonly signal?: AbortSignal;
}

export interface HeldLock {
  readonly name: string;
  /**
   * Greater than every earlier holder's, of any process: write it with what the lock protects, and let the write ask for it:
   * `UPDATE report SET body = $2, fence = $3 WHERE id = $1 AND fence <= $3`.
   */
  readonly fence: number;
  /** Aborts with LOCK_LOST when the lock can no longer be relied on. Read it anew after a pause: then it knows of a loss that no timer could tell of yet. */
  readonly signal: AbortSignal;
  /** Throws LOCK_LOST when the lock can no longer be relied on; also right after the event loop was blocked. */
  assertHeld(): void;
}

export type LockOutcome<R> =
  | { readonly kind: "done"; readonly result: R }
  /** Another held it for as long as `wait`; the function was not called. */
  | { readonly kind: "not-acquired" }
  /** `unless` said so; the function was not called. */
  | { readonly kind: "unneeded" };
