import type { Awaitable, TxAdapter } from "../../src/core/participant.ts";

/** A client of a database server, opened as a user would, for the claims and the faults. */
export interface ServerClient<Tx> {
  readonly adapter: TxAdapter<Tx, "async">;
  readonly insertEffect: (tx: Tx, note: string) => Awaitable<void>;
  readonly countInside: (tx: Tx, note: string) => Awaitable<number>;
  /** Runs any statement with the user's client. */
  readonly run: (tx: Tx, sql: string) => Promise<unknown>;
  readonly close: () => Promise<void>;
}

export interface ClientSettings {
  /** Connections at most. Default 10. */
  readonly max?: number;
}
