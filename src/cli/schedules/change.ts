// Commands that name one schedule and do one thing to it.

import { changeCommand } from "../change-command.ts";
import type { Command } from "../command.ts";
import { UsageError } from "../usage-error.ts";
import { readWhole } from "../with-app.ts";

const schedule = { group: "schedules", of: { text: "the id or name of a schedule", usage: "ID|NAME" } } as const;

export const changeCommands: readonly Command[] = [
  changeCommand({
    ...schedule,
    name: "pause",
    summary: "stops firing a schedule",
    more: "Nothing is fired until it is resumed. A fire that was committed before stands.",
    run: async (app, ref, options) => `${(await app.schedules.pause(ref, options)).id}  paused`,
  }),
  changeCommand({
    ...schedule,
    name: "resume",
    summary: "fires a paused schedule again",
    more: "What it missed meanwhile is made up for only by one whose misfire policy is catch-up.",
    run: async (app, ref, options) => {
      const { id, nextAt } = await app.schedules.resume(ref, options);
      return `${id}  ${nextAt === null ? "resumed" : `fires next at ${new Date(nextAt).toISOString()}`}`;
    },
  }),
  changeCommand({
    ...schedule,
    name: "backfill",
    summary: "starts what a schedule would have fired in a range of time",
    more: `Starts an execution for each planned time in the range that has none yet. Safe to repeat while retention keeps the
executions. Also of a paused schedule.`,
    options: {
      from: { value: "TIME", help: "the first time, such as 2026-05-01T00:00:00Z", isRequired: true },
      to: { value: "TIME", help: "the time before which it ends", isRequired: true },
      limit: { value: "N", help: "1 to 10000 times. Default: 1000" },
    },
    run: async (app, ref, options, given) => {
      const [from, to] = [given("from"), given("to")];
      if (from === undefined || to === undefined)
        throw new UsageError(
          "schedules backfill: expected --from TIME and --to TIME. See `makegood schedules backfill --help`.",
        );
      const range = { from, to, limit: readWhole(given("limit") ?? "1000", "limit", 1, 10_000) };
      const { startedCount, existedCount, resumeAt } = await app.schedules.backfill(ref, { ...range, ...options });
      const rest = resumeAt === null ? "" : `  more from ${new Date(resumeAt).toISOString()}`;
      return `${ref}  ${startedCount} started  ${existedCount} existed${rest}`;
    },
  }),
  changeCommand({
    ...schedule,
    name: "remove",
    summary: "deletes a schedule",
    more: "Its executions stay. Refused while others follow it.",
    run: async (app, ref, options) => {
      await app.schedules.remove(ref, options);
      return `${ref}  removed`;
    },
  }),
];
