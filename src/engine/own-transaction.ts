// Effect and record in one commit, in the engine's own database. After an unknown COMMIT the record is read back under the
// guard row's lock: there, or certainly not done.

import { CatalogError } from "../core/errors.ts";
import type { JournalRow } from "../core/journal.ts";
import type { Began, ParticipantPort } from "../core/participant.ts";
import type { AttemptPlan, Try } from "./attempts.ts";
import type { Call } from "./calls.ts";
import type { Place } from "./deliveries.ts";
import { persist } from "./patience.ts";
import type { Run } from "./run.ts";

export interface StoredValue {
  readonly bytes: Uint8Array | null;
  readonly value: unknown;
}

/** Effect and record in one commit. `landed`: both are there. */
export async function own<T extends StoredValue>(
  run: Run,
  call: Call,
  on: ParticipantPort,
  direction: "forward" | "back",
  makeRow: (bytes: Uint8Array | null) => JournalRow,
  body: (tx: unknown) => T | PromiseLike<T>,
): Promise<
  | Exclude<Try<never>, { kind: "ok" }>
  | {
      readonly kind: "landed";
      readonly row: JournalRow;
      readonly place: Place;
      readonly stored: T;
    }
> {
  let sealed: { readonly row: JournalRow; readonly place: Place; readonly stored: T } | undefined;
  const unseal = (): void => {
    if (sealed !== undefined) run.results.voided(sealed.place);
  };
  let began: Began<
    { readonly kind: "committed"; readonly result: T } | { readonly kind: "sealed-out"; readonly outcome: string }
  >;
  try {
    began = await on.own(body, (stored) => {
      const row = makeRow(stored.bytes);
      sealed = { row, place: run.results.reserve(), stored };
      return run.env.store.own.recordScript(run.lease, direction, row);
    });
  } catch (error) {
    unseal();
    throw error;
  }
  switch (began.kind) {
    case "committed":
      if (sealed === undefined)
        throw new CatalogError("INVARIANT", `transaction of ${call.step} committed without its record`, {});
      return { kind: "landed", ...sealed };
    case "sealed-out":
      unseal();
      if (began.outcome === "lost") run.lose();
      return began.outcome === "busy"
        ? { kind: "free", error: new CatalogError("STORE_CONFLICT", "the guard row is locked", {}), isUnknown: false }
        : { kind: "void" };
    case "threw":
      unseal();
      return { kind: "failed", error: began.error, isUnknown: false };
    case "unavailable":
      unseal();
      return { kind: "free", error: began.error, isUnknown: false };
    case "unknown": {
      if (sealed === undefined) return { kind: "free", error: began.error, isUnknown: false };
      const { row } = sealed;
      const found = await persist(run, () => run.env.store.executions.readBack(run.lease, row.step, row.role));
      if (found === "done") return { kind: "landed", ...sealed };
      unseal();
      if (found === "lost") run.lose();
      return found === "absent" ? { kind: "free", error: began.error, isUnknown: false } : { kind: "void" };
    }
  }
}

/** Whether the participant is the engine's own database. Asked inside an attempt, since that database may be busy or away. */
export async function findOwn(
  run: Run,
  on: ParticipantPort,
  plan: Pick<AttemptPlan, "mayGoOn">,
): Promise<Try<boolean>> {
  try {
    const value = await run.env.isOwn(on);
    return plan.mayGoOn() ? { kind: "ok", value } : { kind: "void" };
  } catch (error) {
    return { kind: "free", error, isUnknown: false };
  }
}
