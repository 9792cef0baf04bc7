import { asUsage } from "./as-usage.ts";
import { type Command, exitCodes, parseOptions } from "./command.ts";
import { UsageError } from "./usage-error.ts";
import { storeOptions, storeOptionsHelp, withApp } from "./with-app.ts";

export const startCommand: Command = {
  name: "start",
  summary: "starts an execution of a schedule now",
  help: `Usage: makegood start --schedule ID|NAME [OPTION…]

Starts one execution beside the planned ones, also of a paused schedule.

  --schedule ID       or its name
  --param TEXT        in place of the schedule's own
${storeOptionsHelp}
  --json              prints {"id":"…"}
  --help              shows this text
`,
  async run(args, terminal) {
    const values = parseOptions(
      args,
      {
        schedule: { type: "string" },
        param: { type: "string" },
        ...storeOptions,
        json: { type: "boolean", default: false },
      },
      "start",
    );
    const { schedule, param, json } = values;
    if (schedule === undefined)
      throw new UsageError("start: expected --schedule, found none. See `makegood start --help`.");
    const { id } = await withApp(values, (app) =>
      asUsage(() => app.schedules.runOnce(schedule, { actor, ...(param === undefined ? {} : { param }) })),
    );
    terminal.print(json ? JSON.stringify({ id }) : id);
    return exitCodes.done;
  },
};

const actor = { kind: "user", id: "command line" } as const;
