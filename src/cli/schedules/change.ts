// Commands that name one schedule and do one thing to it.

import type { App } from "../../index.ts";
import { type Command, exitCodes, parseArguments } from "../command.ts";
import { onlyArgument, storeOptions, storeOptionsHelp, withApp } from "../with-app.ts";

type Change = (
  app: App,
  ref: string,
  options: { readonly actor: typeof actor; readonly note?: string },
) => Promise<string>;

const actor = { kind: "user", id: "command line" } as const;

function changeCommand(name: string, summary: string, more: string, change: Change): Command {
  return {
    name,
    summary,
    help: `Usage: makegood schedules ${name} ID|NAME [OPTION…]

${more}

  --note TEXT         why, for the audit
${storeOptionsHelp}
  --help              shows this text
`,
    async run(args, terminal) {
      const { values, positionals } = parseArguments(
        args,
        { note: { type: "string" }, ...storeOptions },
        `schedules ${name}`,
      );
      const ref = onlyArgument(positionals, "the id or name of a schedule", `schedules ${name}`);
      const { note } = values;
      terminal.print(
        await withApp(values, (app) => change(app, ref, { actor, ...(note === undefined ? {} : { note }) })),
      );
      return exitCodes.done;
    },
  };
}

export const changeCommands: readonly Command[] = [
  changeCommand(
    "pause",
    "stops firing a schedule",
    "Nothing is fired until it is resumed. A fire that was committed before stands.",
    async (app, ref, options) => `${(await app.schedules.pause(ref, options)).id}  paused`,
  ),
  changeCommand(
    "resume",
    "fires a paused schedule again",
    "What it missed meanwhile is made up for only by one whose misfire policy is catch-up.",
    async (app, ref, options) => {
      const { id, nextAt } = await app.schedules.resume(ref, options);
      return `${id}  ${nextAt === null ? "resumed" : `fires next at ${new Date(nextAt).toISOString()}`}`;
    },
  ),
  changeCommand("remove", "deletes a schedule", "Its executions stay.", async (app, ref, options) => {
    await app.schedules.remove(ref, options);
    return `${ref}  removed`;
  }),
];
