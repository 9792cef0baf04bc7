import type { LogLine } from "../../index.ts";
import { type Command, exitCodes, parseArguments } from "../command.ts";
import { onlyArgument, storeOptions, storeOptionsHelp, withApp } from "../with-app.ts";

export const logCommand: Command = {
  name: "log",
  summary: "prints what happened to an execution",
  help: `Usage: makegood executions log ID [OPTION…]

Prints what happened to an execution, in order: its steps, failed attempts, commands, incidents. Then, of each run on
an executor, the lines that this wrote.

  --search TEXT       only lines that hold this text, in capitals or not
${storeOptionsHelp}
  --json              prints one object a line
  --help              shows this text
`,
  async run(args, terminal) {
    const { values, positionals } = parseArguments(
      args,
      { search: { type: "string" }, ...storeOptions, json: { type: "boolean", default: false } },
      "executions log",
    );
    const id = onlyArgument(positionals, "the id of an execution", "executions log");
    const { search } = values;
    const lines = await withApp(values, (app) => app.log(id, search === undefined ? {} : { search }));
    for (const line of lines) terminal.print(values.json ? JSON.stringify(inJson(line)) : text(line));
    return exitCodes.done;
  },
};

const inJson = ({ at, ...line }: LogLine) => ({ at: at === null ? null : new Date(at).toISOString(), ...line });

const text = ({ at, source, text: said }: LogLine): string =>
  at === null ? `${source}  ${said}` : `${new Date(at).toISOString()}  ${source}  ${said}`;
