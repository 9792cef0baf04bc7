// What happens to fires whose time passed while nothing could start them.
import { type Duration, toMs } from "../duration.ts";
import { describeValue, OptionError } from "../errors.ts";
import { checkInteger, checkOptions } from "../options.ts";

export type MisfirePolicy = "skip" | "fire-once" | "catch-up";
export const misfirePolicies: readonly MisfirePolicy[] = ["skip", "fire-once", "catch-up"];

export interface MisfireOptions {
  /**
   * `skip`: what was missed is left out. `fire-once`: one fire, the newest, stands for all that were missed. `catch-up`: each
   * missed fire is started, at most the newest `maxCatchUp`. Default `fire-once`.
   */
  readonly policy?: MisfirePolicy;
  /** Of `catch-up`, 1 … 1000. Default 100. */
  readonly maxCatchUp?: number;
  /** A fire that starts later than this after it was due counts as missed. Up to 1 d, default 5 s. */
  readonly threshold?: Duration;
}

export interface Misfire {
  readonly policy: MisfirePolicy;
  readonly maxCatchUp: number;
  readonly thresholdMs: number;
}

export const defaultMisfire: Misfire = { policy: "fire-once", maxCatchUp: 100, thresholdMs: 5_000 };
const maxThresholdMs = 86_400_000;

/** A policy's name stands for the options with that policy. Throws OPTION_INVALID. */
export function resolveMisfire(options: MisfirePolicy | MisfireOptions = {}, where = "misfire"): Misfire {
  const given = typeof options === "string" ? { policy: options } : options;
  checkOptions(given, ["policy", "maxCatchUp", "threshold"], where);
  const policy = given.policy ?? defaultMisfire.policy;
  if (!misfirePolicies.includes(policy))
    throw new OptionError(
      `${where}.policy`,
      `${where}.policy: expected one of ${misfirePolicies.join(", ")}, found ${describeValue(policy)}`,
    );
  if (given.maxCatchUp !== undefined && policy !== "catch-up")
    throw new OptionError(
      `${where}.maxCatchUp`,
      `${where}.maxCatchUp: expected it only with policy "catch-up", found it with ${describeValue(policy)}`,
    );
  return {
    policy,
    maxCatchUp: checkInteger(given.maxCatchUp ?? defaultMisfire.maxCatchUp, `${where}.maxCatchUp`, 1, 1_000),
    thresholdMs: toMs(given.threshold ?? defaultMisfire.thresholdMs, `${where}.threshold`, { max: maxThresholdMs }),
  };
}
