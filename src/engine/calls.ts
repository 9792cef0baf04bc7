// A call is one use of `ctx` by a job's function: what it asks for, what is known of it, and the promise it was given.

import type { Duration } from "../core/duration.ts";
import type { StoredError } from "../core/errors.ts";
import type { RemoteStep, StepInfo, TccBranch, UndoInfo } from "../core/job.ts";
import type { JournalRow, Role, StepKind } from "../core/journal.ts";
import type { Awaitable, ParticipantPort } from "../core/participant.ts";
import type { RetryPolicy } from "../core/retry.ts";
import type { NewExecution } from "../core/store.ts";
import type { StartedChild } from "./children.ts";

/** Steps with their types erased: the public signatures have checked them. */
export type ErasedRemote = RemoteStep<unknown>;
export interface ErasedTx {
  readonly run: (tx: unknown, step: StepInfo) => unknown;
  readonly compensate?: ((tx: unknown, result: unknown, step: StepInfo) => Awaitable<unknown>) | undefined;
  readonly irreversible?: string | undefined;
  readonly retry?: RetryPolicy;
  readonly timeout?: Duration;
  readonly within?: Duration;
}
export type ErasedBranch = TccBranch<unknown>;
export interface ErasedTxBranch {
  readonly try: (tx: unknown, step: StepInfo) => unknown;
  readonly confirm: (tx: unknown, result: unknown, step: StepInfo) => Awaitable<unknown>;
  readonly cancel: (tx: unknown, result: unknown, step: StepInfo) => Awaitable<unknown>;
  readonly retry?: RetryPolicy;
  readonly within?: Duration;
}
export type ErasedUndo = (undo: UndoInfo<unknown>) => Awaitable<unknown>;

export type Ask =
  | { readonly kind: "step" | "attempt"; readonly step: ErasedRemote }
  | { readonly kind: "tx"; readonly on: ParticipantPort; readonly step: ErasedTx }
  | { readonly kind: "tcc"; readonly branch: ErasedBranch }
  | { readonly kind: "tcc-tx"; readonly on: ParticipantPort; readonly branch: ErasedTxBranch }
  | { readonly kind: "sleep"; readonly ms: number }
  | {
      readonly kind: "wait";
      readonly signal: string;
      readonly timeoutMs: number | null;
      readonly read: (payload: unknown) => Awaitable<unknown>;
    }
  | { readonly kind: "start"; readonly prepare: () => Awaitable<NewExecution>; readonly onUndo: "cancel" | "leave" }
  | { readonly kind: "child"; readonly child: StartedChild }
  | { readonly kind: "pivot" };

export type Call = {
  readonly ask: Ask;
  readonly step: string;
  readonly name: string;
  readonly id: string | undefined;
  /** The role of its first row: what settles it for the function. */
  readonly role: Extract<Role, "action" | "try">;
  /** Order of calls; undone in reverse. */
  readonly started: number;
  /** Up to which of the rows sent the function knew when it made it: it begins when they have landed. */
  readonly behind: number;
  /** A previous owner may have started it: a refusal proves nothing, and unrecorded it counts as perhaps happened. */
  readonly isDirty: boolean;
  /** Set once settled in the journal. */
  row: JournalRow | undefined;
  /** An attempt of this process is in flight, or may have taken effect. */
  isUnknown: boolean;
  /** It certainly did not happen, and this is why; recorded with the turn. */
  refusal: StoredError | undefined;
  /** Ended in this process with a value that could not be recorded any more; kinder to `compensate` than not knowing. */
  landed: { readonly value: unknown } | undefined;
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: unknown) => void;
};

/** Kinds whose effects the finish waits for and turning back undoes. */
export const isEffectful = (kind: StepKind): boolean =>
  kind === "step" || kind === "attempt" || kind === "tx" || kind === "tcc" || kind === "tcc-tx" || kind === "start";
