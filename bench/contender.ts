// What a contender offers to the benchmark: makegood itself, the floor, or a peer. Each sample is taken in a process of its
// own, on a database of its own, so that contenders cannot warm or load each other; `bench/main.ts` runs them in turn.

/** Where the sample is taken: empty, and durable (fsync on, acknowledged after commit). */
export interface Place {
  /** `postgres://…`, `mysql://…`, `redis://…`, or a path of a file that does not exist yet. */
  readonly url: string;
  /** A folder of this sample's own, removed afterwards. */
  readonly folder: string;
}

/** How a case is measured: units of work a second, or ms until one is done. */
export type Sample =
  | {
      readonly kind: "rate";
      readonly count: number;
      readonly seconds: number;
      /** CPU of this process from the first unit to the last, in ms: user and system. */
      readonly cpuMs: number;
    }
  | { readonly kind: "latency"; readonly p50Ms: number; readonly p99Ms: number; readonly count: number };

export interface CaseOptions {
  /** Units of work that count. */
  readonly count: number;
  /** Units of work beforehand that do not. */
  readonly warmUp: number;
}

/**
 * Marks the stretch that counts, so that commits, round trips and the server's CPU are told for it alone: `begin` right before
 * the clock is read for the first unit, `end` right after it was read for the last. `measure.ts` does both.
 */
export interface Meter {
  begin(): Promise<void>;
  end(): Promise<void>;
}

/** Opens what it needs at `place`, works, checks that the results are right, closes. Throws when a result is wrong. */
export type RunCase = (place: Place, options: CaseOptions, meter?: Meter) => Promise<Sample>;

/** Each module of `bench/peers/` exports its contenders as a list named `contenders`. */
export interface Contender {
  /** As printed, e.g. "BullMQ, appendfsync always". */
  readonly name: string;
  /** Which kind of place it needs. */
  readonly needs: "postgres" | "mariadb" | "redis" | "sqlite" | "folder";
  /** Of its Redis, where it needs one. Default `always`: acknowledged after fsync, as everybody else. */
  readonly appendFsync?: "always" | "everysec";
  /** Settings beside the defaults, in one line; empty for none. */
  readonly settings: string;
  /** Package name → version, of what is measured. */
  readonly versions: () => Readonly<Record<string, string>>;
  /** By the id of the case, `SUITE/CASE`. What a contender cannot do is absent. */
  readonly cases: Readonly<Record<string, RunCase>>;
}
