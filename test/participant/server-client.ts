import type { Awaitable, TxAdapter } from "../../src/core/participant.ts";

/** A client of a database server, opened as a user would, for the claims and the faults. */
export interface ServerClient<Tx> {
  readonly adapter: TxAdapter<Tx, "async">;
  readonly insertEffect: (tx: Tx, note: string) => Awaitable<void>;
  readonly countInside: (tx: Tx, note: string) => Awaitable<number>;
  /** Runs any statement with the user's client. */
  readonly run: (tx: Tx, sql: string) => Promise<unknown>;
  /** Runs a body in a transaction of the user's own making, at the client's default isolation; commits, or rolls back and rethrows. */
  readonly byHand: <R>(body: (tx: Tx) => Promise<R>) => Promise<R>;
  /** What a user may mistake for a transaction: the pool, the ORM's root. */
  readonly root: unknown;
  readonly close: () => Promise<void>;
}

export interface ClientSettings {
  /** Connections at most. Default 10. */
  readonly max?: number;
}

export type OpenClient<Tx> = (url: string, settings?: ClientSettings) => ServerClient<Tx> | Promise<ServerClient<Tx>>;
