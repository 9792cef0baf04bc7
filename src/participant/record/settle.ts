import { type Duration, toMs } from "../../core/duration.ts";
import { CatalogError, describeValue, NonRetryableError, OptionError } from "../../core/errors.ts";
import { validateBusinessKey, validateScope } from "../../core/keys.ts";
import { checkOptions } from "../../core/options.ts";
import type { Participant } from "../../core/participant.ts";
import type { Actor } from "../../core/ports.ts";
import { toStoredError } from "../../core/stored-error.ts";
import type { LeasedRecords } from "./leased.ts";
import { type Markers, recordsOf } from "./markers.ts";
import { defaultRetention, minRetainMs } from "./once.ts";
import { type RecordKey, recordStatus, type Settling } from "./record.ts";

/** What a person found out about a record of unknown outcome. */
export type RecordVerdict =
  /** It happened; later calls are given this answer. */
  | { readonly kind: "succeeded"; readonly result?: unknown }
  /** It did not happen, and shall not: later calls are given this error. `code` is `[A-Z0-9_]`, default NON_RETRYABLE. */
  | { readonly kind: "failed"; readonly message: string; readonly code?: string }
  /** It did not happen: the next call tries again, with all its attempts. */
  | { readonly kind: "retry" };

export interface SettleOptions {
  /** Who says so; kept with the record. */
  readonly by: Actor;
  /** How long the verdict is remembered, at least. Default 90 days, 1 minute … 10 years. */
  readonly retention?: Duration;
}

/**
 * Ends the wait of a record for a person. One of two who settle it at once wins.
 *
 * @throws RECORD_STATE if it does not wait, KEY_INVALID, OPTION_INVALID, VALUE_UNSUPPORTED.
 */
export async function settleRecord(
  // biome-ignore lint/suspicious/noExplicitAny: a participant of any transaction type
  on: Participant<any, any> | Markers,
  at: RecordKey,
  verdict: RecordVerdict,
  options: SettleOptions,
): Promise<void> {
  const records = recordsOf(on, "settleRecord");
  checkOptions(at, ["scope", "key"], "settleRecord");
  checkOptions(options, ["by", "retention"], "settleRecord");
  const place = { scope: validateScope(at.scope, "settleRecord.scope"), key: validateBusinessKey(at.key) };
  const retainMs = toMs(options.retention ?? defaultRetention, "settleRecord.retention", { min: minRetainMs });
  if (await records.settle(place, settlingOf(records, verdict), actorText(options.by), retainMs)) return;
  throw new CatalogError(
    "RECORD_STATE",
    `${place.scope}: expected the record of key ${describeValue(place.key)} to wait for a person, found it settled, in another state, or gone`,
    { scope: place.scope },
  );
}

function settlingOf({ tools }: LeasedRecords, verdict: RecordVerdict): Settling {
  switch (verdict?.kind) {
    case "succeeded":
      return { status: recordStatus.succeeded, result: tools.values.store(verdict.result, "result").bytes };
    case "failed": {
      const { message, code } = verdict;
      if (typeof message !== "string")
        throw new OptionError(
          "settleRecord.message",
          `settleRecord.message: expected a text, found ${describeValue(message)}`,
        );
      const error = new NonRetryableError(message, code === undefined ? {} : { code });
      return { status: recordStatus.failed, error: tools.values.encode(toStoredError(error), "error") };
    }
    case "retry":
      return { status: recordStatus.open };
    default:
      throw new OptionError(
        "settleRecord.verdict",
        `settleRecord.verdict: expected one of kind "succeeded", "failed" or "retry", found ${describeValue(verdict)}`,
      );
  }
}

const maxActorChars = 200;

function actorText(by: Actor): string {
  if (typeof by?.kind === "string" && typeof by.id === "string" && by.id !== "")
    return `${by.kind}:${by.id}`.slice(0, maxActorChars);
  throw new OptionError(
    "settleRecord.by",
    `settleRecord.by: expected an actor { kind, id }, found ${describeValue(by)}`,
  );
}
