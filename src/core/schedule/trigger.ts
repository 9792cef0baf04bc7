// Triggers by time, for a job's `on`: a schedule, and the input that each of its fires hands to the job.
import type { Duration } from "../duration.ts";
import { describeValue, OptionError } from "../errors.ts";
import { checkOptions } from "../options.ts";
import type { CronDialect } from "./cron-fields.ts";
import type { Instant } from "./instant.ts";
import { type Misfire, type MisfireOptions, type MisfirePolicy, resolveMisfire } from "./misfire.ts";
import { resolveSchedule, type Schedule, type ScheduleBounds, type ScheduleOptions } from "./schedule.ts";

/** One fire of a schedule, as the trigger's `input` sees it. */
export interface Fire {
  /** The fire time, without jitter: the same whenever it is started. */
  readonly scheduledAt: Date;
  /** When it was started, by the database's clock. */
  readonly firedAt: Date;
  /** Of a job that runs on several executors at once; else 0 of 1. */
  readonly shard: { readonly index: number; readonly total: number };
}

/** Starts a job at the times of a schedule. */
export interface TimeTrigger<I> {
  readonly kind: "time";
  /** Without a seed: whoever registers the trigger gives it one (`seeded`). */
  readonly schedule: Schedule;
  readonly misfire: Misfire;
  /** The job's input; null: none. */
  readonly input: ((fire: Fire) => I) | null;
}

export interface TimeTriggerOptions extends ScheduleBounds {
  /** What happens to fires that were missed: a policy, or a policy with its bounds. Default `fire-once`, from 5 s late on. */
  readonly misfire?: MisfirePolicy | MisfireOptions;
}
export interface CronOptions extends TimeTriggerOptions {
  /** Default `quartz`. */
  readonly dialect?: CronDialect;
}
export interface EveryOptions extends TimeTriggerOptions {
  /** True: counted from the end of the last execution instead of from its fire time. Default false. */
  readonly afterEnd?: boolean;
}
/** Makes the job's input of the fire; pure, since it may be asked more than once. */
export interface WithInput<I> {
  readonly input: (fire: Fire) => I;
}

// The signature with `input` stands first: against the other one, the compiler would take the function's parameter for `any`.

/**
 * For a job's `on`: starts it when the expression fires. Throws CRON_INVALID (with field, position and example) and OPTION_INVALID.
 *
 *     cron("0 30 2 * * ?", { zone: "Asia/Shanghai" })                 every day at 2:30
 *     cron("30 2 * * 1-5", { zone: "UTC", dialect: "unix" })
 */
export function cron<I>(expression: string, options: CronOptions & WithInput<I>): TimeTrigger<I>;
export function cron(expression: string, options?: CronOptions): TimeTrigger<void>;
export function cron(expression: string, options: CronOptions = {}): TimeTrigger<unknown> {
  return trigger({ cron: expression }, options, "cron");
}

/** For a job's `on`: starts it at a fixed rate, or with `afterEnd` after a fixed delay. Throws OPTION_INVALID. */
export function every<I>(interval: Duration, options: EveryOptions & WithInput<I>): TimeTrigger<I>;
export function every(interval: Duration, options?: EveryOptions): TimeTrigger<void>;
export function every(interval: Duration, options: EveryOptions = {}): TimeTrigger<unknown> {
  return trigger({ every: interval }, options, "every");
}

/** For a job's `on`: starts it once. An instant that has passed when the trigger is first registered is missed. Throws OPTION_INVALID. */
export function at<I>(instant: Instant, options: TimeTriggerOptions & WithInput<I>): TimeTrigger<I>;
export function at(instant: Instant, options?: TimeTriggerOptions): TimeTrigger<void>;
export function at(instant: Instant, options: TimeTriggerOptions = {}): TimeTrigger<unknown> {
  return trigger({ at: instant }, options, "at");
}

/** The trigger with the jitter of the schedule that it became. */
export function seeded<I>(trigger: TimeTrigger<I>, seed: string): TimeTrigger<I> {
  return { ...trigger, schedule: { ...trigger.schedule, seed } };
}

function trigger(
  when: Pick<ScheduleOptions, "cron" | "every" | "at">,
  options: Partial<WithInput<unknown>> & TimeTriggerOptions,
  where: string,
): TimeTrigger<unknown> {
  checkOptions(options, knownKeys(where), where);
  const { input, misfire, ...bounds } = options;
  if (input !== undefined && typeof input !== "function")
    throw new OptionError(
      "input",
      `${where}: expected input to be a function of the fire, found ${describeValue(input)}`,
    );
  return {
    kind: "time",
    schedule: resolveSchedule({ ...bounds, ...when }, "", where),
    misfire: resolveMisfire(misfire, `${where}.misfire`),
    input: input ?? null,
  };
}

function knownKeys(where: string): readonly string[] {
  const own = where === "cron" ? ["dialect"] : where === "every" ? ["afterEnd"] : [];
  return ["input", ...own, "zone", "start", "end", "jitter", "calendar", "misfire"];
}
