// What tests of a store on a database server need of it, beside the store.
import type { Row } from "../../core/script.ts";
import type { Store } from "../../core/store.ts";
import type { HeldTransaction } from "./harness.ts";

export interface ServerStore {
  readonly store: Store;
  /** On a connection of the test's own. */
  query(sql: string, parameters?: readonly unknown[]): Promise<readonly Row[]>;
  close(): Promise<void>;
}

export interface ServerStoreOptions {
  readonly migrate?: boolean;
  readonly deadlineMs?: number;
  readonly lockTimeoutMs?: number;
}

/** Migrates, unless there are options that do not say so. */
export type OpenServerStore = (url: string, options?: ServerStoreOptions) => Promise<ServerStore>;

/** A transaction of the user's, which a test may also give statements of its own. */
export interface UserTransaction extends HeldTransaction {
  query(sql: string, parameters: readonly unknown[]): Promise<unknown>;
  /** Closes its connection, however the transaction ended. */
  end(): Promise<unknown>;
}
