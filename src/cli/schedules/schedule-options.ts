// What `makegood schedules add` and `edit` both take: what is called, and when.
import { resolveJoin } from "../../core/schedule/schedule.ts";
import {
  at,
  type CallOptions,
  type CompletedTrigger,
  cron,
  every,
  onAllCompleted,
  onAnyCompleted,
  onCompleted,
  type TimeTrigger,
} from "../../index.ts";
import type { parseOptions } from "../command.ts";
import { UsageError } from "../usage-error.ts";
import { readWhole } from "../with-app.ts";
import { readScript } from "./script-file.ts";

const maxTimeoutSeconds = 315_619_200;
export const maxRetries = 100;

export const scheduleOptions = {
  group: { type: "string" },
  handler: { type: "string" },
  script: { type: "string" },
  language: { type: "string" },
  cron: { type: "string" },
  every: { type: "string" },
  "after-end": { type: "boolean", default: false },
  at: { type: "string" },
  after: { type: "string" },
  join: { type: "string" },
  zone: { type: "string" },
  dialect: { type: "string" },
  start: { type: "string" },
  end: { type: "string" },
  jitter: { type: "string" },
  misfire: { type: "string" },
  param: { type: "string" },
  route: { type: "string" },
  block: { type: "string" },
  timeout: { type: "string" },
  retries: { type: "string" },
  "retry-pause": { type: "string" },
  "retry-factor": { type: "string" },
} as const;
export type ScheduleValues = ReturnType<typeof parseOptions<typeof scheduleOptions>>;
/** What stands beside any time: zone, start, end, jitter, calendar, misfire policy. */
export type Bounds = NonNullable<Parameters<typeof at>[1]>;

/** Whoever may reach the database. */
export const actor = { kind: "user", id: "command line" } as const;

/** Those that are given. */
export function readCallOptions(values: ScheduleValues): Partial<CallOptions> {
  const { group, handler, param, route, block, timeout, retries } = values;
  const script = readScript(values.script, values.language);
  if (script !== undefined && handler !== undefined)
    throw new UsageError("--script: expected it in place of --handler, found both.");
  const { "retry-pause": pause, "retry-factor": factor } = values;
  return {
    ...(group === undefined ? {} : { group }),
    ...(handler === undefined ? {} : { handler }),
    ...(script === undefined ? {} : { script }),
    ...(param === undefined ? {} : { param }),
    ...(route === undefined ? {} : { route }),
    ...(block === undefined ? {} : { block: block === "none" ? null : block }),
    ...(timeout === undefined ? {} : { timeout: readTimeout(timeout) }),
    ...(retries === undefined ? {} : { retries: readRetries(retries) }),
    ...(pause === undefined ? {} : { retryPause: pause as "1s" }),
    ...(factor === undefined ? {} : { retryFactor: Number(factor) }),
  };
}

/** `2`, or `failed=2,lost=5`. */
function readRetries(text: string): NonNullable<CallOptions["retries"]> {
  if (!text.includes("=")) return readWhole(text, "retries", 0, maxRetries);
  return Object.fromEntries(
    text.split(",").map((part) => {
      const [state = "", count = ""] = part.split("=");
      return [state.trim(), readWhole(count, `retries ${state.trim()}`, 0, maxRetries)];
    }),
  );
}

const readTimeout = (text: string): number | null =>
  text === "none" ? null : readWhole(text, "timeout", 1, maxTimeoutSeconds) * 1_000;

/** @param kept what is not given otherwise; not of one that follows others, which has no bounds */
export function readTrigger(
  values: ScheduleValues,
  command: "add" | "edit",
  kept: Bounds = {},
): TimeTrigger<void> | CompletedTrigger<void> {
  const given = (["cron", "every", "at", "after"] as const).filter((kind) => values[kind] !== undefined);
  if (given.length !== 1)
    throw new UsageError(
      `schedules ${command}: expected one of --cron, --every, --at and --after, found ${given.length === 0 ? "none" : given.map((kind) => `--${kind}`).join(" and ")}.`,
    );
  const { dialect, "after-end": afterEnd } = values;
  if (dialect !== undefined && values.cron === undefined)
    throw new UsageError("--dialect: expected it beside --cron alone.");
  if (afterEnd && values.every === undefined) throw new UsageError("--after-end: expected it beside --every alone.");
  if (values.join !== undefined && values.after === undefined)
    throw new UsageError("--join: expected it beside --after alone.");
  if (values.after !== undefined) return readAfter(values.after, values.join, boundsOf(values));
  const bounds = { ...kept, ...boundsOf(values) };
  if (values.cron !== undefined)
    return cron(values.cron, { ...bounds, ...(dialect === undefined ? {} : { dialect: dialect as "quartz" }) });
  if (values.every !== undefined) return every(values.every as "1s", { ...bounds, ...(afterEnd ? { afterEnd } : {}) });
  return at(values.at as string, bounds);
}

const joined = { each: onCompleted, any: onAnyCompleted, all: onAllCompleted } as const;

function readAfter(text: string, join: string | undefined, bounds: Bounds): CompletedTrigger<void> {
  const [bound] = Object.keys(bounds);
  if (bound !== undefined) throw new UsageError(`--${bound}: expected it beside --cron, --every or --at alone.`);
  const names = text.split(",").map((name) => name.trim());
  const follow = joined[resolveJoin(join, "--join")];
  return follow(names);
}

export function boundsOf({ zone, start, end, jitter, misfire }: ScheduleValues): Bounds {
  return {
    ...(zone === undefined ? {} : { zone }),
    ...(start === undefined ? {} : { start }),
    ...(end === undefined ? {} : { end }),
    ...(jitter === undefined ? {} : { jitter: jitter as "1s" }),
    ...(misfire === undefined ? {} : { misfire: readMisfire(misfire) }),
  };
}

function readMisfire(text: string) {
  const [policy = "", bound] = text.split(":");
  if (policy !== "catch-up" || bound === undefined) return { policy: text as "skip" };
  return { policy: "catch-up", maxCatchUp: readWhole(bound, "misfire catch-up", 1, 1_000) } as const;
}
