// The lease of a worker: one row, renewed for all that it holds. It is a hint to others when to take over; what protects is
// the fence in every write. So a renewal that comes late is no harm, and a lease that is lost is noticed by the writes.
import type { Env } from "./env.ts";
import { insist } from "./patience.ts";

export class WorkerLease {
  readonly #env: Env;
  readonly #name: string;
  readonly #leaseMs: number;
  #id = "";
  #renewedAt = Number.NEGATIVE_INFINITY;

  constructor(env: Env, name: string, leaseMs: number) {
    this.#env = env;
    this.#name = name;
    this.#leaseMs = leaseMs;
  }

  /** Of the row; another one after each `register`. */
  get id(): string {
    return this.#id;
  }

  /** By this process's own clock, from the moment the last successful renewal was sent. Saves work; the fence protects. */
  get isOut(): boolean {
    return this.#env.clock.monotonicMs() - this.#renewedAt > this.#leaseMs;
  }

  /** Begins a lease under a new id. Asks until the store answers, or `mayGoOn` says no. */
  async register(mayGoOn: () => boolean): Promise<void> {
    const { namespace, registry, store, clock } = this.#env;
    const id = this.#env.newId();
    const sentAt = clock.monotonicMs();
    const row = { id, name: this.#name, namespace, leaseMs: this.#leaseMs, jobs: registry.refs };
    await insist(this.#env, () => store.workers.register(row), mayGoOn);
    this.#id = id;
    this.#renewedAt = sentAt;
  }

  /** False when the row is gone. */
  async renew(): Promise<boolean> {
    const { registry, store, clock } = this.#env;
    const sentAt = clock.monotonicMs();
    if (!(await store.workers.renew({ id: this.#id, leaseMs: this.#leaseMs, jobs: registry.refs }))) return false;
    this.#renewedAt = sentAt;
    return true;
  }

  /** Others may take over at once. Where the store is away, it runs out by itself. */
  async end(): Promise<void> {
    const { store, log } = this.#env;
    await store.workers
      .end(this.#id)
      .catch((error: unknown) => log.warn({ err: error }, "the lease could not be ended; it runs out by itself"));
  }
}
