import type { AnyJob } from "../../core/job.ts";
import type { Awaitable } from "../../core/participant.ts";
import type { RowsWanted } from "../../core/reconcile.ts";

/** Scans are found by it: the newest of many executions, over an index. */
export const scanAttribute = "makegood.reconciler";

/** A reconciler, with its options resolved. */
export interface Plan {
  readonly name: string;
  readonly windowMs: number;
  readonly fix: AnyJob;
  readonly givenUp: AnyJob;
  readonly pageSize: number;
  readonly find: (wanted: RowsWanted) => Awaitable<readonly unknown[]>;
  readonly keyOf: (row: unknown) => string;
  readonly inputOf: (row: unknown) => unknown;
}
