import { CodedError } from "../../core/errors.ts";
import { cronDialects } from "../../core/schedule/cron-fields.ts";
import { preview } from "../../core/schedule/fires.ts";
import { toInstant } from "../../core/schedule/instant.ts";
import { resolveSchedule, type Schedule } from "../../core/schedule/schedule.ts";
import { type Command, exitCodes, parseArguments } from "../command.ts";
import { UsageError } from "../usage-error.ts";

const defaultCount = 5;
const maxCount = 1_000;

export const nextCommand: Command = {
  name: "next",
  summary: "prints the next times at which a cron expression fires",
  help: `Usage: makegood schedules next EXPRESSION [OPTION…]

Prints when a cron expression fires next: in universal time, and as the clocks of its zone show it. Quote the
expression, since a shell reads * and ? as file names.

  --zone ZONE         in which the expression is read, such as Asia/Shanghai. Default: UTC
  --dialect DIALECT   quartz (seconds, ?, L, W, #, years; Sunday is 1) or unix (five fields; Sunday is 0).
                      Default: quartz
  --from TIME         the fires after this instant, such as 2026-03-08T00:00:00Z; without an offset it is local
                      time in the zone. Default: now
  --count N           how many, 1 to ${maxCount}. Default: ${defaultCount}
  --json              prints {"next":["2026-03-08T07:00:00.000Z",…]}
  --help              shows this text
`,
  async run(args, terminal) {
    const { expression, schedule, fromMs, count, json } = readRequest(args);
    const next = preview(schedule, fromMs, count).map((ms) => new Date(ms));
    if (json) terminal.print(JSON.stringify({ next }));
    else if (next.length === 0)
      terminal.print(`"${expression}" does not fire after ${new Date(fromMs).toISOString()}.`);
    else for (const at of next) terminal.print(`${at.toISOString()}   ${localTime(at, schedule)}`);
    return exitCodes.done;
  },
};

function readRequest(args: readonly string[]) {
  const { values, positionals } = parseArguments(
    args,
    {
      zone: { type: "string", default: "UTC" },
      dialect: { type: "string", default: "quartz" },
      from: { type: "string" },
      count: { type: "string", default: String(defaultCount) },
      json: { type: "boolean", default: false },
    },
    "schedules next",
  );
  const [expression] = positionals;
  if (expression === undefined || positionals.length > 1)
    throw new UsageError(
      `schedules next: expected one cron expression, in quotes, found ${positionals.length} arguments. Example: makegood schedules next "0 30 2 * * ?" --zone Asia/Shanghai`,
    );
  const dialect = cronDialects.find((it) => it === values.dialect);
  if (dialect === undefined)
    throw new UsageError(`--dialect: expected ${cronDialects.join(" or ")}, found "${values.dialect}".`);
  return asUsage(() => {
    const schedule = resolveSchedule({ cron: expression, dialect, zone: values.zone }, "", "-");
    const fromMs = values.from === undefined ? Date.now() : toInstant(values.from, schedule.zone, "--from");
    return { expression, schedule, fromMs, count: readCount(values.count), json: values.json };
  });
}

function readCount(text: string): number {
  const count = /^[0-9]{1,9}$/.test(text) ? Number(text) : 0;
  if (count >= 1 && count <= maxCount) return count;
  throw new UsageError(`--count: expected a whole number from 1 to ${maxCount}, found "${text}".`);
}

/** What core refuses here was written on the command line. */
function asUsage<R>(read: () => R): R {
  try {
    return read();
  } catch (error) {
    if (!(error instanceof CodedError)) throw error;
    throw new UsageError(`${error.code}: ${error.message.replace(/^-\./, "--")}`, { cause: error });
  }
}

/** `Sun 2026-03-08 03:00:00 -04:00` */
function localTime(at: Date, { zone }: Schedule): string {
  const { offsetMs } = zone.pieceAt(at.getTime());
  const local = new Date(at.getTime() + offsetMs);
  const weekday = local.toLocaleDateString("en-US", { weekday: "short", timeZone: "UTC" });
  const offset = new Date(Math.abs(offsetMs)).toISOString().slice(11, 16);
  return `${weekday} ${local.toISOString().slice(0, 19).replace("T", " ")} ${offsetMs < 0 ? "-" : "+"}${offset} ${zone.name}`;
}
