import type { CallOptions, ShownSchedule } from "../../index.ts";
import { asUsage } from "../as-usage.ts";
import { type Command, exitCodes, parseOptions } from "../command.ts";
import { UsageError } from "../usage-error.ts";
import { storeOptions, storeOptionsHelp, withApp } from "../with-app.ts";
import { actor, maxRetries, readCallOptions, readTrigger, scheduleOptions } from "./schedule-options.ts";
import { languageNames } from "./script-file.ts";

const options = {
  ...scheduleOptions,
  name: { type: "string" },
  paused: { type: "boolean", default: false },
  ...storeOptions,
  json: { type: "boolean", default: false },
} as const;
type Values = ReturnType<typeof parse>;
const parse = (args: readonly string[]) => parseOptions(args, options, "schedules add");

export const addCommand: Command = {
  name: "add",
  summary: "makes a schedule of a handler of executors, or of a script for them",
  help: `Usage: makegood schedules add --group NAME (--handler NAME | --script FILE --language LANGUAGE)
                             (--cron EXPR | --every DURATION | --at TIME | --after NAME) [OPTION…]

Makes a schedule that calls a handler of a group of executors, or sends them a script. Neither group nor handler
needs to be known yet. Scripts are sent by centers that were started with --scripts, and run by executors that
allow them.

  --group NAME        of executors, by the name under which they register
  --handler NAME      as the executors know it
  --script FILE       in place of a handler, at most 64 KiB. Its arguments: the param, the shard's index, how many
                      shards there are
  --language LANGUAGE
                      of --script: ${languageNames}
  --cron EXPR         fires when the expression does. Quote it
  --every DURATION    fires at a fixed rate, such as 500ms, 30s, 5m, 1h, 1d
  --at TIME           fires once, such as 2026-03-08T02:30:00Z; without an offset it is local time in the zone
  --after NAME[,NAME…]
                      when these schedules, by name or id, have completed an execution
  --join JOIN         of --after: each (every end starts one), any (the first of an occasion) or all (the last of an
                      occasion). An occasion is the planned time of the fire that began it all. Default: each
  --after-end         of --every: counted from the end of the last execution
  --zone ZONE         such as Asia/Shanghai. Default: UTC
  --dialect DIALECT   of --cron: quartz or unix. Default: quartz
  --start TIME, --end TIME
                      no fire before, no fire at or after
  --jitter DURATION   each fire starts late by a part of this
  --misfire POLICY    what was missed: skip; fire-once; catch-up or catch-up:N, at most the newest N. Default: fire-once
  --param TEXT        handed to the handler as it is; with --after, {{result}} in it is what those ended with.
                      Default: empty
  --route STRATEGY    which executor: round, random, failover, broadcast, … or XXL-JOB's name. Default: round
  --block STRATEGY    while the last call still runs: serial, discard-new, replace-running, or XXL-JOB's name.
                      Default: none; they run side by side
  --timeout SECONDS   of one attempt. Default: none
  --retries N         attempts after the first, 0 to ${maxRetries}, or so many after each kind of end: failed=2,timed-out=1,lost=5,
                      refused=3,killed=0. Default: 0
  --retry-pause DURATION, --retry-factor N
                      before the first retry, up to 1h; each pause N times the one before. Default: none, 1
  --name NAME         unique; commands take it in place of the id
  --paused            not fired before \`makegood schedules resume\`
${storeOptionsHelp}
  --json              prints {"id":"…"}
  --help              shows this text
`,
  async run(args, terminal) {
    const values = parse(args);
    const call = readCall(values);
    const trigger = await asUsage(() => readTrigger(values, "add"));
    const { name, paused } = values;
    const made = await withApp(values, (app) =>
      asUsage(() => app.schedules.add(call, trigger, { ...(name === undefined ? {} : { name }), paused, actor })),
    );
    const next = nextOf(made);
    terminal.print(values.json ? JSON.stringify({ id: made.id }) : `${made.id}  ${next}`);
    return exitCodes.done;
  },
};

function nextOf({ nextAt, schedule }: ShownSchedule): string {
  if (schedule.after !== undefined) return "follows others";
  return nextAt === null ? "never fires" : `fires next at ${new Date(nextAt).toISOString()}`;
}

function readCall(values: Values): CallOptions {
  const call = readCallOptions(values);
  const { group } = call;
  if (group === undefined || (call.handler === undefined && call.script === undefined))
    throw new UsageError(
      `schedules add: expected --group, and --handler or --script, found no --${group === undefined ? "group" : "handler"}. See \`makegood schedules add --help\`.`,
    );
  return { ...call, group };
}
