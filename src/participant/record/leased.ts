// The records of `idempotent`: what a store of them must be able to do, whatever it is made of. Each method is one atomic
// operation, judged by the store's own clock, and idempotent: its answer may be lost, and the call repeated.
import { isCodedError, StoreConflictError, StoreUnavailableError } from "../../core/errors.ts";
import type { Mode } from "../../core/participant.ts";
import type { Script } from "../../core/script.ts";
import type { Base, BaseOptions } from "../base.ts";
import type { ClaimRequest, Ending, Held, RecordKey, RecordRow, RecordSql, Settling } from "./record.ts";
import { recordStatus } from "./record.ts";

export type Claimed =
  | { readonly kind: "claimed"; readonly fence: number; readonly attempt: number }
  | { readonly kind: "succeeded"; readonly result: Uint8Array | null }
  | { readonly kind: "failed"; readonly error: Uint8Array }
  /** Another call holds it, or it rests. */
  | { readonly kind: "busy"; readonly heldForMs: number }
  | { readonly kind: "mismatch"; readonly recorded: string }
  /** Its attempts were used up, the last one by a crash: this call has turned it over to a person. */
  | { readonly kind: "exhausted"; readonly error: Uint8Array | null }
  | { readonly kind: "manual"; readonly error: Uint8Array | null };

export interface LeasedRecords {
  readonly tools: Pick<BaseOptions<never, Mode>, "clock" | "random" | "log" | "values">;
  /** How long a record of unknown outcome rests if nobody says: null is until its lease is over. */
  readonly defaultRestMs: number | null;
  claim(request: ClaimRequest): Promise<Claimed>;
  /** False if another has taken over, or the record is gone. */
  renew(held: Held, leaseMs: number): Promise<boolean>;
  end(held: Held, ending: LeasedEnding): Promise<boolean>;
  /** Nothing happened: the attempt does not count, and the next call may claim it at once. */
  release(held: Held): Promise<boolean>;
  /** False if the record does not wait for a person. */
  settle(at: RecordKey, settling: Settling, by: string, retainMs: number): Promise<boolean>;
}

export type LeasedEnding =
  | Exclude<Ending, { readonly status: 5 }>
  | { readonly status: 5; readonly error: Uint8Array; readonly restMs: number | null };

const maxTries = 10;

export function sqlRecords<Tx, M extends Mode>(base: Base<Tx, M>): LeasedRecords {
  const { records } = base.dialect;
  const alone = async <T>(scope: string, script: () => Script<T>): Promise<T> => {
    try {
      return await base.alone(script);
    } catch (error) {
      throw isCodedError(error) ? error : unavailable(scope, error);
    }
  };
  return {
    tools: base,
    defaultRestMs: 0,
    async claim(request) {
      for (let tried = 0; tried < maxTries; tried++) {
        const claimed = await alone(request.scope, () => claim(records, request));
        if (claimed !== "again") return claimed;
      }
      throw new StoreConflictError(
        `${request.scope}: the record changed hands ${maxTries} times while it was claimed`,
        {},
      );
    },
    renew: (held, leaseMs) => alone(held.scope, () => records.renew(held, leaseMs)),
    end: (held, ending) =>
      alone(held.scope, () =>
        confirmed(
          records,
          held,
          ending.status,
          records.end(held, ending.status === 5 ? { ...ending, restMs: ending.restMs ?? 0 } : ending),
        ),
      ),
    release: (held) => alone(held.scope, () => confirmed(records, held, recordStatus.open, records.release(held))),
    settle: (at, settling, by, retainMs) => alone(at.scope, () => records.settle(at, settling, by, retainMs)),
  };
}

function* claim(sql: RecordSql, request: ClaimRequest): Script<Claimed | "again"> {
  const won = yield* sql.claim(request);
  if (won !== undefined) return { kind: "claimed", ...won };
  const row = yield* sql.read(request);
  // Pruned, or let go of, in this very moment.
  if (row === undefined) return "again";
  const found = classify(request, row);
  if (found !== "free") return found;
  if (row.attempts < request.maxAttempts) return "again";
  return (yield* sql.exhaust(request, request.maxAttempts)) ? { kind: "exhausted", error: row.error } : "again";
}

function classify({ owner, fingerprint }: ClaimRequest, row: RecordRow): Claimed | "free" {
  if (fingerprint !== null && row.fingerprint !== null && fingerprint !== row.fingerprint)
    return { kind: "mismatch", recorded: row.fingerprint };
  switch (row.status) {
    case recordStatus.succeeded:
      return { kind: "succeeded", result: row.result };
    case recordStatus.failed:
      return { kind: "failed", error: row.error ?? new Uint8Array() };
    case recordStatus.manual:
      return { kind: "manual", error: row.error };
    case recordStatus.processing:
    case recordStatus.open: {
      // A claim whose answer was lost.
      if (row.owner === owner && row.status === recordStatus.processing)
        return { kind: "claimed", fence: row.fence, attempt: row.attempts };
      const heldForMs = row.heldForMs ?? 0;
      return heldForMs > 0 ? { kind: "busy", heldForMs } : "free";
    }
  }
}

/** A write that changed nothing may be the repeat of one whose answer was lost. */
function* confirmed(sql: RecordSql, held: Held, status: number, write: Script<boolean>): Script<boolean> {
  if (yield* write) return true;
  const row = yield* sql.read(held);
  return row !== undefined && row.status === status && row.fence === held.fence && row.owner === held.owner;
}

function unavailable(scope: string, cause: unknown): StoreUnavailableError {
  return new StoreUnavailableError(
    `${scope}: the database of the execution records could not be used, tried again and again for some seconds`,
    { scope },
    { cause },
  );
}
