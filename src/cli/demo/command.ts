import { readFileSync } from "node:fs";
import { type Command, exitCodes, parseOptions, type Terminal } from "../command.ts";
import { describeStore, migrateStore, readStoreOption, type StoreAddress, storeHelp } from "../store-address.ts";
import { UsageError } from "../usage-error.ts";
import { generateRows } from "./generate.ts";
import { type Intake, readRows, takeIn } from "./orders.ts";
import { makePlace, type Place } from "./place.ts";
import { makeProgress } from "./progress.ts";
import { isRight, jsonLine, printSummary, type Report } from "./report.ts";
import { type Run, runDemo } from "./run.ts";

const defaultKills = 20;
const maxKills = 1_000;

interface DemoOptions {
  readonly orders: string | undefined;
  readonly store: StoreAddress | undefined;
  readonly kills: number;
  readonly isGuarded: boolean;
  readonly isJson: boolean;
  readonly isKept: boolean;
}

export const demoCommand: Command = {
  name: "demo",
  summary: "processes orders while the worker is killed again and again, then checks every balance",
  help: `Usage: makegood demo [--orders FILE] [--store URL] [--kills N] [--unguarded] [--json] [--keep]

Processes orders through durable jobs while the worker process is killed with SIGKILL and restarted,
submits every order twice, and at the end compares the participants' databases (orders, stock,
accounts) with what the finished executions say and with the rules of the business.

  --orders FILE  a CSV file with the columns InvoiceNo, StockCode, Quantity, UnitPrice, CustomerID.
                 Default: orders made up from a fixed seed
  --store URL    where the engine keeps its executions:
                 ${storeHelp}.
                 With PostgreSQL the participants get three databases of their own on that server, created
                 for the run, so its user must be allowed to create databases.
                 Default: files in a temporary folder
  --kills N      how often the worker is killed in the middle of work, 0 to ${maxKills}. Default: ${defaultKills}
  --unguarded    switches makegood's guard off: the same effects without key and without barrier. Shows
                 what happens then: after kills, movements stand in the books twice, and the exit code is 1
  --json         ends the output with one line of JSON
  --keep         keeps the databases of the run and says where they are; they are also kept if a check fails
  --help         shows this text

Exit codes: 0 every check is true; 1 a check is not, or the demo could not be run to its end;
2 wrong arguments; 130 ended by Ctrl-C.
`,
  async run(args, terminal) {
    const options = readOptions(args);
    const intake = takeIn(options.orders === undefined ? generateRows() : readFile(options.orders));
    const interruption = new AbortController();
    const interrupt = (): void => interruption.abort(new Interrupted());
    process.once("SIGINT", interrupt).once("SIGTERM", interrupt);
    try {
      return await demonstrate(options, intake, interruption.signal, terminal);
    } catch (error) {
      if (!interruption.signal.aborted) throw error;
      terminal.printError("Interrupted; the worker has been ended.");
      return exitCodes.interrupted;
    } finally {
      process.off("SIGINT", interrupt).off("SIGTERM", interrupt);
    }
  },
};

class Interrupted extends Error {}

async function demonstrate(
  options: DemoOptions,
  intake: Intake,
  signal: AbortSignal,
  terminal: Terminal,
): Promise<number> {
  // First, so that a store that cannot be used is found before anything else is made.
  if (options.store !== undefined) await migrateStore(options.store);
  const place = await makePlace(options.store);
  let isKept = options.isKept;
  try {
    terminal.printError(openingLine(options, intake));
    const run = await runWithProgress(options, intake, place, signal, terminal);
    const report: Report = { intake, run, plannedKills: options.kills, isGuarded: options.isGuarded };
    isKept ||= !isRight(report);
    printSummary(report, terminal);
    if (isKept) printPlace(place, terminal);
    if (options.isJson) terminal.print(jsonLine(report));
    return isRight(report) ? exitCodes.done : exitCodes.failed;
  } catch (error) {
    // Interrupted is not failed: nobody wants to look into it.
    isKept ||= !signal.aborted;
    if (isKept) printPlace(place, terminal);
    throw error;
  } finally {
    if (!isKept) await place.remove();
  }
}

async function runWithProgress(
  options: DemoOptions,
  intake: Intake,
  place: Place,
  signal: AbortSignal,
  terminal: Terminal,
): Promise<Run> {
  const progress = makeProgress(terminal);
  const { kills, isGuarded } = options;
  try {
    return await runDemo({ intake, place, kills, isGuarded, signal, show: (state) => progress.show(state) });
  } finally {
    progress.end();
  }
}

function openingLine({ orders, store, kills, isGuarded }: DemoOptions, intake: Intake): string {
  const invoices = intake.orders.length + intake.cancellations.length + intake.rejected.length;
  const source = orders === undefined ? "made up" : `from ${orders}`;
  const place = store === undefined ? "files in a temporary folder" : describeStore(store);
  const guard = isGuarded ? "" : ", WITHOUT the guard";
  return `makegood demo: ${invoices} invoices ${source}, ${kills} kills, store: ${place}${guard}`;
}

/** On standard error, so that the last line of standard output stays what a program expects there. */
function printPlace(place: Place, terminal: Terminal): void {
  terminal.printError("Kept:");
  for (const line of place.describe()) terminal.printError(`  ${line}`);
}

// ── Options ─────────────────────────────────────────────────────────────────────────────────────────────────────────

function readOptions(args: readonly string[]): DemoOptions {
  const values = parseOptions(
    args,
    {
      orders: { type: "string" },
      store: { type: "string" },
      kills: { type: "string", default: String(defaultKills) },
      unguarded: { type: "boolean", default: false },
      json: { type: "boolean", default: false },
      keep: { type: "boolean", default: false },
    },
    "demo",
  );
  return {
    orders: values.orders,
    store: values.store === undefined ? undefined : readStoreOption(values.store),
    kills: readKills(values.kills),
    isGuarded: !values.unguarded,
    isJson: values.json,
    isKept: values.keep,
  };
}

function readKills(text: string): number {
  const kills = /^\d{1,4}$/.test(text) ? Number(text) : Number.NaN;
  if (kills >= 0 && kills <= maxKills) return kills;
  throw new UsageError(`--kills: expected a whole number from 0 to ${maxKills}, found "${text}".`);
}

function readFile(path: string) {
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new UsageError(`--orders: expected a file that can be read, found: ${why}`, { cause: error });
  }
  try {
    return readRows(text);
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    throw new UsageError(`--orders ${path}: ${error.message}.`, { cause: error });
  }
}
