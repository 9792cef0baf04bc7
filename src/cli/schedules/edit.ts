import { at, cron, every, type ShownSchedule } from "../../index.ts";
import { asUsage } from "../as-usage.ts";
import { type Command, exitCodes, parseArguments } from "../command.ts";
import { UsageError } from "../usage-error.ts";
import { onlyArgument, storeOptions, storeOptionsHelp, withApp } from "../with-app.ts";
import {
  actor,
  type Bounds,
  boundsOf,
  readCallOptions,
  readTrigger,
  type ScheduleValues,
  scheduleOptions,
} from "./schedule-options.ts";

const options = {
  ...scheduleOptions,
  note: { type: "string" },
  ...storeOptions,
  json: { type: "boolean", default: false },
} as const;

export const editCommand: Command = {
  name: "edit",
  summary: "changes when a schedule fires, or what it calls",
  help: `Usage: makegood schedules edit ID|NAME [OPTION…]

Changes what is given, in one commit; the rest stays. Planned times before now are not owed afterwards. A schedule that is
declared in code is changed there.

  --cron EXPR [--dialect DIALECT], --every DURATION [--after-end], --at TIME, --after NAME[,NAME…] [--join JOIN]
                      fires so instead, as in \`makegood schedules add\`
  --zone ZONE, --start TIME, --end TIME, --jitter DURATION
                      in place of its own
  --misfire POLICY    what was missed: skip; fire-once; catch-up or catch-up:N
  --group NAME, --handler NAME, --param TEXT, --route STRATEGY, --retries N, --retry-pause DURATION, --retry-factor N
                      of what it calls
  --script FILE --language LANGUAGE
                      in place of its handler or script; --handler in place of a script
  --block STRATEGY    while the last call still runs; none: they run side by side
  --timeout SECONDS   of one attempt; none: it may run for ever
  --note TEXT         why, for the audit
${storeOptionsHelp}
  --json              prints {"id":"…"}
  --help              shows this text
`,
  async run(args, terminal) {
    const { values, positionals } = parseArguments(args, options, "schedules edit");
    const ref = onlyArgument(positionals, "the id or name of a schedule", "schedules edit");
    const call = readCallOptions(values);
    const changesCall = Object.keys(call).length > 0;
    const changesTime = timeKeys.some((key) => values[key] !== undefined && values[key] !== false);
    if (!changesCall && !changesTime)
      throw new UsageError("schedules edit: expected something to change. See `makegood schedules edit --help`.");
    const edited = await withApp(values, (app) =>
      asUsage(async () => {
        const kept = changesTime ? await app.schedules.find(ref) : null;
        return app.schedules.edit(ref, {
          ...(kept === null ? {} : { on: changedTrigger(values, kept) }),
          ...(changesCall ? { call } : {}),
          ...(values.note === undefined ? {} : { note: values.note }),
          actor,
        });
      }),
    );
    terminal.print(values.json ? JSON.stringify({ id: edited.id }) : `${edited.id}  ${whatIsNext(edited)}`);
    return exitCodes.done;
  },
};

const kindKeys = ["cron", "dialect", "every", "after-end", "at", "after", "join"] as const;
const timeKeys = [...kindKeys, "zone", "start", "end", "jitter", "misfire"] as const;

function changedTrigger(values: ScheduleValues, { schedule, misfire }: ShownSchedule) {
  const { cron: expression, dialect, every: interval, afterEnd, at: instant, after, join: _join, ...bounds } = schedule;
  const { policy, maxCatchUp, thresholdMs: threshold } = misfire;
  const kept: Bounds = {
    ...bounds,
    misfire: { policy, threshold, ...(policy === "catch-up" ? { maxCatchUp } : {}) },
  };
  if (kindKeys.some((key) => values[key] !== undefined && values[key] !== false))
    return readTrigger(values, "edit", kept);
  if (after !== undefined)
    throw new UsageError(
      "schedules edit: expected a schedule with times, found one that follows others and has no bounds.",
    );
  const changed = { ...kept, ...boundsOf(values) };
  if (expression !== undefined) return cron(expression, { ...changed, ...(dialect === undefined ? {} : { dialect }) });
  if (interval !== undefined) return every(interval, { ...changed, ...(afterEnd === undefined ? {} : { afterEnd }) });
  // A schedule has exactly one of the four.
  return at(instant as number, changed);
}

function whatIsNext({ state, nextAt, schedule }: ShownSchedule): string {
  if (schedule.after !== undefined) return "follows others";
  return nextAt === null ? state : `fires next at ${new Date(nextAt).toISOString()}`;
}
