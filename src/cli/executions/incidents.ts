import type { ShownIncident } from "../../index.ts";
import { type Command, exitCodes, parseOptions } from "../command.ts";
import { readWhole, storeOptions, storeOptionsHelp, withApp } from "../with-app.ts";

const maxListed = 1_000;

export const incidentsCommand: Command = {
  name: "incidents",
  summary: "prints what needs a person",
  help: `Usage: makegood executions incidents [OPTION…]

Prints the open incidents, each with its execution: what could not be undone, was parked, killed, or given up.

  --limit N           1 to ${maxListed}. Default: 100
${storeOptionsHelp}
  --json              prints one object a line: id, executionId, code, step, error, openedAt
  --help              shows this text
`,
  async run(args, terminal) {
    const values = parseOptions(
      args,
      { limit: { type: "string", default: "100" }, ...storeOptions, json: { type: "boolean", default: false } },
      "executions incidents",
    );
    const limit = readWhole(values.limit, "limit", 1, maxListed);
    const incidents = await withApp(values, (app) => app.incidents(limit));
    for (const incident of incidents) terminal.print(values.json ? JSON.stringify(inJson(incident)) : line(incident));
    return exitCodes.done;
  },
};

const inJson = ({ id, executionId, code, step, error, openedAt }: ShownIncident) => ({
  ...{ id, executionId, code, step },
  ...(error === null ? {} : { error }),
  openedAt: new Date(openedAt).toISOString(),
});

function line({ executionId, code, step, error, openedAt }: ShownIncident): string {
  const shown = [new Date(openedAt).toISOString(), executionId, code, step ?? "-"];
  return [...shown, ...(error === null ? [] : [`${error.code}: ${error.message}`])].join("  ");
}
