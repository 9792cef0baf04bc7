import { type ChecklistOptions, type ChecklistReport, CodedError, checklist } from "../../index.ts";
import { type Command, exitCodes, parseArguments } from "../command.ts";
import { readStoreOption, storeAt, storeHelp } from "../store-address.ts";
import { UsageError } from "../usage-error.ts";
import { loadJobs } from "./load.ts";
import { describeReport } from "./table.ts";

export const checklistCommand: Command = {
  name: "checklist",
  summary: "walks your jobs through the seven points of a safe business task",
  help: `Usage: makegood checklist [--json] [--store URL [--namespace NAME]] MODULE…

Asks of each job: executed before? idempotent? legal transitions? compensated? traceable? timeout?
concurrency? and says what is declared, derived from what was seen, or unknown. Imports the modules, twice,
and runs the functions of the jobs on a context that does nothing: no step of theirs is called.

  MODULE            a file that exports jobs, lists of jobs, or an app with registered jobs. It must not
                    begin to work when it is imported: call app.run() elsewhere. Its export
                    checklistSamples, { "place-order": [{ … }] }, holds inputs for the dry run
  --store URL       also looks at the newest executions of each job in a store: ${storeHelp}
  --namespace NAME  of those executions. Default: default
  --json            prints the report as JSON
  --help            shows this text

Exit code: 0 if nothing is wrong, or only warnings; 1 for findings of severity error; 2 for wrong arguments.
`,
  async run(args, terminal) {
    const { values, positionals } = parseArguments(
      args,
      { json: { type: "boolean" }, store: { type: "string" }, namespace: { type: "string" } },
      "checklist",
    );
    if (positionals.length === 0)
      throw new UsageError(
        "checklist: expected a module that exports jobs, found none. See `makegood checklist --help`.",
      );
    if (values.namespace !== undefined && values.store === undefined)
      throw new UsageError("--namespace: expected --store beside it, found none.");
    const { jobs, samples, again, onceOnly } = await loadJobs(positionals);
    for (const why of onceOnly)
      terminal.printError(
        `checklist: what it makes once in each process is not seen: it cannot be loaded twice: ${why}`,
      );
    const options = { samples, again, ...(values.namespace === undefined ? {} : { namespace: values.namespace }) };
    const check = asUsage((more: ChecklistOptions) => checklist(jobs, { ...options, ...more }));
    const report =
      values.store === undefined ? await check({}) : await withStore(values.store, (store) => check({ store }));
    terminal.print(values.json === true ? JSON.stringify(report, null, 2) : describeReport(report));
    return report.severity === "error" ? exitCodes.failed : exitCodes.done;
  },
};

/** A namespace or a sample that is wrong is the user's to put right. */
const asUsage =
  (check: (options: ChecklistOptions) => Promise<ChecklistReport>) =>
  async (options: ChecklistOptions): Promise<ChecklistReport> => {
    try {
      return await check(options);
    } catch (error) {
      if (!(error instanceof CodedError) || !["OPTION_INVALID", "INPUT_INVALID"].includes(error.code)) throw error;
      throw new UsageError(`checklist: ${error.message}`, { cause: error });
    }
  };

async function withStore<R>(url: string, use: (store: Awaited<ReturnType<typeof storeAt>>) => Promise<R>): Promise<R> {
  const store = await storeAt(readStoreOption(url));
  await store.open();
  try {
    return await use(store);
  } finally {
    await store.close();
  }
}
