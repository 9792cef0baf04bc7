import type { ShownExecution } from "../../index.ts";
import { type Command, exitCodes, parseOptions } from "../command.ts";
import { UsageError } from "../usage-error.ts";
import { readWhole, storeOptions, storeOptionsHelp, withApp } from "../with-app.ts";

const pageSize = 1_000;
const maxListed = 1_000_000;

export const listCommand: Command = {
  name: "list",
  summary: "prints executions, newest first",
  help: `Usage: makegood executions list [OPTION…]

Prints executions, newest first.

  --schedule ID       of this schedule alone; or its name
  --job NAME          of this job alone
  --limit N           1 to ${maxListed}. Default: 100
${storeOptionsHelp}
  --json              prints one object a line: id, job, key, state, attempt, executor, schedule, scheduled, started,
                      finished, and result or error
  --help              shows this text
`,
  async run(args, terminal) {
    const values = parseOptions(
      args,
      {
        schedule: { type: "string" },
        job: { type: "string" },
        limit: { type: "string", default: "100" },
        ...storeOptions,
        json: { type: "boolean", default: false },
      },
      "executions list",
    );
    const { json, job, schedule: ref } = values;
    let left = readWhole(values.limit, "limit", 1, maxListed);
    return withApp(values, async (app) => {
      const schedule = ref === undefined ? undefined : ((await app.schedules.find(ref))?.id ?? idOf(ref));
      const only = { ...(job === undefined ? {} : { job }), ...(schedule === undefined ? {} : { schedule }) };
      for (let after: string | undefined; left > 0; left -= pageSize) {
        const limit = Math.min(left, pageSize);
        const rows = await app.executions({ ...only, limit, ...(after === undefined ? {} : { after }) });
        for (const row of rows) terminal.print(json ? JSON.stringify(inJson(row)) : line(row));
        after = rows.at(-1)?.id;
        if (rows.length < limit) break;
      }
      return exitCodes.done;
    });
  },
};

/** A schedule that was removed is known by its executions alone. */
function idOf(ref: string): string {
  if (/^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/.test(ref)) return ref;
  throw new UsageError(`--schedule: expected the id or name of a schedule, found "${ref}".`);
}

const instant = (ms: number | null): string | null => (ms === null ? null : new Date(ms).toISOString());

function inJson({ scheduledAt, startedAt, finishedAt, result, error, ...row }: ShownExecution) {
  return {
    ...row,
    ...{ scheduled: instant(scheduledAt), started: instant(startedAt), finished: instant(finishedAt) },
    ...(result === undefined ? {} : { result: plain(result) }),
    ...(error == null ? {} : { error }),
  };
}

/** Results may hold what JSON does not: bigint, bytes, maps, sets. */
function plain(value: unknown): unknown {
  const text = JSON.stringify(value, (_, one: unknown) => {
    if (typeof one === "bigint") return String(one);
    if (one instanceof Map || one instanceof Set) return [...one];
    return one instanceof Uint8Array ? Buffer.from(one).toString("base64") : one;
  });
  return text === undefined ? undefined : JSON.parse(text);
}

function line({ id, state, scheduledAt, finishedAt, job, executor, error }: ShownExecution): string {
  const took = finishedAt === null ? "-" : `${finishedAt - scheduledAt} ms`;
  const shown = [id, state.padEnd(12), instant(scheduledAt), took.padStart(9), job, executor ?? "-"];
  return [...shown, ...(error == null ? [] : [`${error.code}: ${error.message}`])].join("  ");
}
