// What a suite is made of. A new suite is one file here, entered in `bench/suites.ts`; floors and peers take part in its cases
// by their ids.
import type { RunCase } from "../contender.ts";

export interface Suite {
  readonly name: string;
  /** One line for `--help`. */
  readonly title: string;
  readonly cases: readonly Case[];
  /** The cases are the same work under growing load: each of its kind is also reported as a share of the first. */
  readonly comparesWithFirst?: boolean;
}

export interface Case {
  /** Within the suite. */
  readonly id: string;
  readonly title: string;
  /** What is counted, in the plural. */
  readonly unit: string;
  /** Units a second; ms until one is done, as quantiles of many; ms until all are done. */
  readonly kind: "rate" | "latency" | "duration";
  readonly count: number;
  readonly warmUp: number;
  /** For peers, where the full number would take them minutes. Default: `count`. */
  readonly peerCount?: number;
  /** Only with `--long`. */
  readonly isLong?: boolean;
  /** How makegood does it, on either store. */
  readonly ours: RunCase;
}
