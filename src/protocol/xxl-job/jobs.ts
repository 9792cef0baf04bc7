// Jobs in the words of XXL-JOB, as its tables and the calls of its newest generation have them, and what they are here.
import { describeValue, isCleanText, OptionError } from "../../core/errors.ts";
import { parseBlockingStrategy, parseRoutingStrategy } from "../../core/routing/strategies.ts";
import { type CallScript, isScriptType, scriptTypes } from "../../core/schedule/call-script.ts";
import type { ScheduleBounds } from "../../core/schedule/schedule.ts";
import { at, cron, every, type TimeTrigger } from "../../core/schedule/trigger.ts";
import { type Fields, integer, maxInt, oneOf, type Parsed, parsed, text } from "./fields.ts";

/** What a table and a call both say of a job. */
export interface XxlJob {
  readonly scheduleType: string;
  readonly scheduleConf: string;
  readonly misfireStrategy: string;
  readonly handler: string;
  /** In place of a handler. Null: certainly none; absent: the words do not say. */
  readonly script?: CallScript | null;
  readonly param: string;
  readonly route: string;
  readonly block: string;
  /** 0: none. */
  readonly timeoutSeconds: number;
  readonly retries: number;
}

/** The name of the schedule that stands for a job. */
export const scheduleNameOf = (jobId: number): string => `xxl-job-${jobId}`;

/** What its schedule calls. `jobId`: the number under which executors go on knowing it. */
export function callOf({ handler, script, param, route, block, timeoutSeconds, retries }: XxlJob, jobId: number) {
  const timeout = timeoutSeconds > 0 ? timeoutSeconds * 1_000 : null;
  return {
    // Of a script job it is what was there before, and means nothing.
    handler: script ? "" : handler.trim(),
    ...(script === undefined ? {} : { script }),
    ...{ param, route, block, timeout, retries, jobId },
  };
}

/** When it fires, within bounds of ours: a zone, a calendar. Throws CRON_INVALID and OPTION_INVALID. */
export function triggerOf(job: XxlJob, bounds: ScheduleBounds): TimeTrigger<void> {
  const options = { ...bounds, misfire: job.misfireStrategy === "FIRE_ONCE_NOW" ? "fire-once" : "skip" } as const;
  const conf = job.scheduleConf.trim();
  switch (job.scheduleType) {
    case "CRON":
      return cron(conf, options);
    case "FIX_RATE":
      return every(secondsOf(conf) * 1_000, options);
    case "NONE":
      return at(neverAt, { ...options, misfire: "skip" });
    default:
      throw new OptionError(
        "scheduleType",
        `scheduleType: expected one of ${scheduleTypes.join(", ")}, found ${describeValue(job.scheduleType)}`,
      );
  }
}

/** Of a schedule whose job has the type NONE: a time that has passed and is not made up for. */
export const isNever = (schedule: { readonly at?: unknown }): boolean => schedule.at === neverAt;
const neverAt = 0;

function secondsOf(conf: string): number {
  if (/^[1-9]\d{0,8}$/.test(conf)) return Number(conf);
  throw new OptionError("scheduleConf", `scheduleConf: expected whole seconds from 1 on, found ${describeValue(conf)}`);
}

// ── Calls ──────────────────────────────────────────────────────────────────────────────────────────────────────────

const scheduleTypes = ["NONE", "CRON", "FIX_RATE"] as const;
const misfireStrategies = ["DO_NOTHING", "FIRE_ONCE_NOW"] as const;
const maxRetries = 100;
const maxLabelChars = 255;

/** What a call says of a job. */
export interface DescribedJob {
  readonly job: XxlJob;
  /** For people: its name and author. */
  readonly title: string;
}

/** Of `addJob`. The number of its group is the admin's own: it must be one, and is not taken. `scripts`: whether they are. */
export function parseNewJob(body: string, scripts: boolean): Parsed<DescribedJob> {
  return parsed(body, (fields) => {
    integer(fields, "jobGroup", 0, maxInt, 0);
    return describedJob(fields, scripts);
  });
}

/** Of `updateJob`. */
export function parseChangedJob(body: string, scripts: boolean): Parsed<DescribedJob & { readonly id: number }> {
  return parsed(body, (fields) => ({ id: idOf(fields), ...describedJob(fields, scripts) }));
}

/** Of `removeJob`, `startJob` and `stopJob`. */
export function parseJobRef(body: string): Parsed<number> {
  return parsed(body, idOf);
}

export interface JobTrigger {
  readonly id: number;
  /** In place of the job's own, also when it is empty. */
  readonly param: string;
  /** Of executors; empty: any. */
  readonly addresses: readonly string[];
}

export function parseJobTrigger(body: string): Parsed<JobTrigger> {
  return parsed(body, (fields) => ({
    id: idOf(fields),
    param: text(fields, "executorParam"),
    addresses: listOf(text(fields, "addressList")),
  }));
}

const idOf = (fields: Fields): number => integer(fields, "id", 1, maxInt);

function describedJob(fields: Fields, scripts: boolean): DescribedJob {
  const job = {
    scheduleType: oneOf(fields, "scheduleType", scheduleTypes),
    scheduleConf: text(fields, "scheduleConf"),
    misfireStrategy: oneOf(fields, "misfireStrategy", misfireStrategies),
    handler: text(fields, "executorHandler"),
    ...scriptOf(fields, scripts),
    param: text(fields, "executorParam"),
    route: parseRoutingStrategy(fields["executorRouteStrategy"], "executorRouteStrategy"),
    block: parseBlockingStrategy(fields["executorBlockStrategy"], "executorBlockStrategy"),
    timeoutSeconds: Math.max(0, integer(fields, "executorTimeout", -maxInt, maxInt, 0)),
    retries: integer(fields, "executorFailRetryCount", 0, maxRetries, 0),
  };
  return { job, title: [label(fields, "name"), label(fields, "author")].filter((it) => it !== "").join(", by ") };
}

function scriptOf(fields: Fields, scripts: boolean): Pick<XxlJob, "script"> {
  const type = text(fields, "glueType");
  if (type === "") return {};
  if (type === "BEAN") return { script: null };
  if (!scripts)
    throw new OptionError(
      "glueType",
      `glueType: expected BEAN, found ${describeValue(type)}: this center sends no scripts (makegood serve --scripts allows it)`,
    );
  if (isScriptType(type)) return { script: { type, source: text(fields, "glueSource") } };
  throw new OptionError(
    "glueType",
    `glueType: expected BEAN or one of ${scriptTypes.join(", ")}, found ${describeValue(type)}`,
  );
}

function label(fields: Fields, name: string): string {
  const found = text(fields, name);
  if (found.length <= maxLabelChars && isCleanText(found)) return found;
  throw new OptionError(
    name,
    `${name}: expected a text of at most ${maxLabelChars} characters, without U+0000, found ${found.length} characters`,
  );
}

/** Separated by commas. */
export const listOf = (given: string): readonly string[] =>
  given
    .split(",")
    .map((it) => it.trim())
    .filter((it) => it !== "");
