// What a center decides about each attempt of a call.
import type { EndedRunState } from "./executors.ts";
import type { RemoteCall } from "./schedule/definition.ts";

/** The job that a schedule of executors starts; the center runs it. */
export const dispatchJobName = "makegood.dispatch";

/** How an attempt ended. */
export interface RunEnd {
  readonly state: EndedRunState;
  readonly code: number | null;
  readonly message: string;
}

/** What may be tried again, and is by default: not what a person killed. */
export const retriedStates = ["failed", "timed-out", "lost", "refused"] as const satisfies readonly EndedRunState[];

/**
 * How often a call is tried again: in all, whatever went wrong; or for each of these ends by itself, and not at all for those
 * left out. What a person killed is tried again only where `killed` says so.
 */
export type Retries = number | { readonly [state in (typeof retriedStates)[number] | "killed"]?: number };

/** @param ends of the attempts so far, the newest last */
export function mayRetry(ends: readonly EndedRunState[], { retries }: RemoteCall): boolean {
  const last = ends.at(-1) ?? "completed";
  if (last === "completed") return false;
  if (typeof retries !== "number") return ends.filter((state) => state === last).length <= (retries[last] ?? 0);
  return last !== "killed" && ends.length <= retries;
}

const maxPauseMs = 3_600_000;

/** Before the attempt after this one, in ms. */
export function pauseAfter(attempt: number, { retryPause }: RemoteCall): number {
  if (retryPause === undefined) return 0;
  return Math.min(maxPauseMs, Math.round(retryPause.ms * retryPause.factor ** (attempt - 1)));
}

/** The code under which an execution fails whose last attempt ended so. */
export const failureCodes = {
  failed: "RUN_FAILED",
  "timed-out": "RUN_TIMED_OUT",
  killed: "RUN_KILLED",
  lost: "RUN_LOST",
  refused: "RUN_REFUSED",
} as const satisfies Readonly<Record<Exclude<EndedRunState, "completed">, string>>;

/** What an executor's code says: 200 done, 502 timed out, anything else failed. */
export function stateOfCode(code: number): EndedRunState {
  if (code === 200) return "completed";
  return code === 502 ? "timed-out" : "failed";
}

const maxJobId = 2 ** 31 - 1;

/** For a job that has no number: one made of its name, the same in every center. Two names may meet, one in two thousand million. */
export function jobIdOf(name: string, sha256: (text: string) => Uint8Array): number {
  const [a = 0, b = 0, c = 0, d = 0] = sha256(name);
  return (((a << 24) | (b << 16) | (c << 8) | d) >>> 1) % maxJobId || 1;
}
