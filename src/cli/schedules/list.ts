import type { ShownSchedule } from "../../index.ts";
import { calledBy } from "../called.ts";
import { type Command, exitCodes, parseOptions } from "../command.ts";
import { readWhole, storeOptions, storeOptionsHelp, withApp } from "../with-app.ts";

const maxListed = 1_000;

export const listCommand: Command = {
  name: "list",
  summary: "prints the schedules, newest first",
  help: `Usage: makegood schedules list [OPTION…]

Prints the schedules, newest first.

  --group NAME        of this group of executors alone
  --limit N           1 to ${maxListed}. Default: 100
${storeOptionsHelp}
  --json              prints one object a line
  --help              shows this text
`,
  async run(args, terminal) {
    const values = parseOptions(
      args,
      {
        group: { type: "string" },
        limit: { type: "string", default: "100" },
        ...storeOptions,
        json: { type: "boolean", default: false },
      },
      "schedules list",
    );
    const { group, json } = values;
    const limit = readWhole(values.limit, "limit", 1, maxListed);
    const rows = await withApp(values, (app) =>
      app.schedules.list({ limit, ...(group === undefined ? {} : { group }) }),
    );
    const names = new Map(rows.map(({ id, name }) => [id, name]));
    for (const row of rows) terminal.print(json ? JSON.stringify(inJson(row)) : line(row, (id) => names.get(id) ?? id));
    return exitCodes.done;
  },
};

const instant = (ms: number | null): string | null => (ms === null ? null : new Date(ms).toISOString());

function inJson({ nextAt, lastFiredAt, createdAt, updatedAt, ...row }: ShownSchedule) {
  return {
    ...row,
    ...{ next: instant(nextAt), lastFired: instant(lastFiredAt) },
    ...{ created: instant(createdAt), updated: instant(updatedAt) },
  };
}

type NameOf = (schedule: string) => string;

function line({ id, name, state, job, call, schedule, nextAt }: ShownSchedule, nameOf: NameOf): string {
  const what = call === null ? job : calledBy(call);
  return [id, state.padEnd(7), instant(nextAt) ?? "-".padEnd(24), name ?? "-", what, whenOf(schedule, nameOf)].join(
    "  ",
  );
}

function whenOf({ cron, every, afterEnd, at, after, join }: ShownSchedule["schedule"], nameOf: NameOf): string {
  if (cron !== undefined) return cron;
  if (at !== undefined) return "once";
  if (after !== undefined) {
    const upstreams = after.map(({ job, schedule }) => (schedule === undefined ? job : nameOf(schedule)));
    return `after ${join} of ${upstreams.join(", ")}`;
  }
  return `every ${every} ms${afterEnd ? " after the end" : ""}`;
}
