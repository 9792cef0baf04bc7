// What the engine needs of the world besides a store. The same engine runs on the real ones and in a simulator.

export interface Clock {
  /** Wall time of this process, epoch ms. Never judges a lease: the database's clock does. */
  now(): number;
  /** Never jumps back; for durations inside this process. */
  monotonicMs(): number;
  /** Calls `run` once after `delayMs`; the returned function takes it back. A pending timer does not keep the process alive. */
  after(delayMs: number, run: () => void): () => void;
  /** Calls `run` once all microtasks that are pending now, and those they start, have run; before anything else arrives. */
  drained(run: () => void): void;
  /** Calls `run` in the next turn of the event loop: later than `drained`, when what had arrived by now was heard. */
  soon(run: () => void): void;
}

export interface Random {
  /** In [0, 1). */
  next(): number;
  bytes(count: number): Uint8Array;
}

/** The only way to start a background loop: named, counted, stopped together. */
export interface Tasks {
  /** Starts `run`; a rejection is logged under `name` and does not end the process. */
  start(name: string, run: (signal: AbortSignal) => Promise<void>): void;
  /** Aborts the signal of every task and resolves when all have returned. */
  stop(): Promise<void>;
}

/** Compatible with pino: fields first, then the message. */
export interface Log {
  debug(fields: object, message: string): void;
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
}

export const silentLog: Log = { debug() {}, info() {}, warn() {}, error() {} };

/** Who asked. Every command carries one, and the audit keeps it. */
export interface Actor {
  readonly kind: "user" | "token" | "worker" | "system";
  readonly id: string;
}

/** Of `kind:id`, as the stores keep who started an execution. */
export function actorOf(name: string): Actor {
  const colon = name.indexOf(":");
  return { kind: name.slice(0, colon) as Actor["kind"], id: name.slice(colon + 1) };
}
