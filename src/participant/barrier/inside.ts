// `orders.barrier(tx, fromHeaders(request), effect)`: the barrier of a call from another process, in a transaction of its
// handler. The rules are those of barrier.ts; what that leaves to the engine is done here: encoding the result, and, since
// the transaction is not ours to roll back, taking the row back when the effect throws.

import { validateCall } from "../../core/call-identity.ts";
import type { Stored } from "../../core/codec.ts";
import { CatalogError } from "../../core/errors.ts";
import { checkFunction } from "../../core/options.ts";
import type { Answer, BarrierMark, BarrierOutcome, BodyResult, Mode } from "../../core/participant.ts";
import type { StepIdentity } from "../../core/step-headers.ts";
import type { Base } from "../base.ts";
import type { BarrierOp } from "../dialect.ts";
import { ask, type Ending, type Work } from "../work.ts";
import { act, confirm, undo } from "./barrier.ts";
import { markText } from "./row.ts";

type Bytes = Uint8Array | null;
/** Runs the user's function on the decoded result of what it undoes or confirms, and encodes its own. */
type Effect = (origin: Bytes) => Bytes | PromiseLike<Bytes>;

export function barrierInside<Tx, M extends Mode, R>(
  base: Base<Tx, M>,
  tx: Tx,
  call: StepIdentity,
  effect: (origin: unknown) => BodyResult<M, R>,
): Answer<M, BarrierOutcome<Stored<Awaited<R>>>> {
  const { values } = base;
  const encode = (result: unknown): Bytes => values.store(result, "result").bytes;
  const run: Effect = (origin) => {
    const result: unknown = effect(values.decode(origin));
    return result instanceof Promise ? result.then(encode) : encode(result);
  };
  return base.inside(tx, decoded(base, checked(base, call, effect, run))) as Answer<
    M,
    BarrierOutcome<Stored<Awaited<R>>>
  >;
}

type Answered = { readonly kind: string; readonly result?: Bytes };

function* decoded<Tx, M extends Mode>({ values }: Base<Tx, M>, work: Work<Answered>): Work<BarrierOutcome<unknown>> {
  const { kind, result } = yield* work;
  switch (kind) {
    case "blocked":
    case "empty":
      return { kind };
    case "ran":
    case "undone":
    case "confirmed":
      return { kind: "done", result: values.decode(result ?? null) };
    default:
      return { kind: "repeated", result: values.decode(result ?? null) };
  }
}

function* checked<Tx, M extends Mode>(base: Base<Tx, M>, call: unknown, effect: unknown, run: Effect): Work<Answered> {
  const identity = validateCall(call, "barrier");
  checkFunction(effect, "effect", "barrier");
  return yield* guarded(base, identity, run);
}

function* guarded<Tx, M extends Mode>({ dialect }: Base<Tx, M>, call: StepIdentity, effect: Effect): Work<Answered> {
  const mark: BarrierMark = { gid: call.executionId, branch: call.step, round: call.round };
  const op = call.role as BarrierOp;
  let hasBegun = false;
  const body: Effect = (origin) => {
    hasBegun = true;
    return effect(origin);
  };
  try {
    switch (op) {
      case "action":
      case "try":
        return accepted(mark, yield* act(dialect, mark, op, () => body(null)));
      case "compensation":
      case "cancel":
        return accepted(mark, yield* undo(dialect, mark, op, body));
      case "confirm":
        return accepted(mark, yield* confirm(dialect, mark, body));
    }
  } catch (error) {
    if (hasBegun) yield* withoutTrouble(ask(dialect.remove(mark, op)));
    throw error;
  }
}

/** What barrier.ts would have rolled back must be thrown here, so that the caller's transaction is. */
function accepted(mark: BarrierMark, { commit, value }: Ending<Answered | { readonly error: unknown }>): Answered {
  if (commit) return value as Answered;
  if ("error" in value) throw value.error;
  const message = `Expected a try before its confirm, found none (${markText(mark)}); the barrier's rows were deleted, or the try went to another database`;
  throw new CatalogError("TRY_MISSING", message, { ...mark });
}

/** In a transaction that an error has aborted it fails, and nothing is left to take back. */
function* withoutTrouble(work: Work<void>): Work<void> {
  try {
    yield* work;
  } catch {
    // The error that brought us here says more.
  }
}
