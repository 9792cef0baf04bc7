import { every, makegood } from "../../index.ts";
import { asUsage } from "../as-usage.ts";
import { calledBy } from "../called.ts";
import { type Command, exitCodes, parseOptions, type Terminal } from "../command.ts";
import { describeStore, importMysql, parseStoreAddress, readStoreOption, storeAt } from "../store-address.ts";
import { UsageError } from "../usage-error.ts";
import { storeOptions, storeOptionsHelp } from "../with-app.ts";
import { type Plan, planImport, type SourceRow } from "./plan.ts";

export const xxlJobCommand: Command = {
  name: "xxl-job",
  summary: "reads the database of an XXL-JOB admin, and makes its schedules here",
  help: `Usage: makegood import xxl-job --from mysql://USER:PASSWORD@HOST:PORT/DATABASE --zone ZONE [--apply] [OPTION…]

Reads an XXL-JOB database, 2.3 to 3.4, and shows what would become of it; with --apply it is done. Reads only: the admin may
go on running, but stop its jobs there before you resume them here. Safe to repeat: what was taken over is left alone.

  --from URL          the admin's database
  --zone ZONE         of the admin's JVM, in which its cron expressions are meant, such as Asia/Shanghai
  --apply             makes the schedules, and enters the addresses that people gave
  --scripts           takes over jobs that are scripts, too; a center needs its own --scripts to send them
  --paused            makes all of them paused; else those are that are stopped in the admin
${storeOptionsHelp}
  --json              prints one object a line
  --help              shows this text
`,
  async run(args, terminal) {
    const values = parseOptions(
      args,
      {
        from: { type: "string" },
        zone: { type: "string" },
        apply: { type: "boolean", default: false },
        scripts: { type: "boolean", default: false },
        paused: { type: "boolean", default: false },
        ...storeOptions,
        json: { type: "boolean", default: false },
      },
      "import xxl-job",
    );
    const { from, zone, scripts } = values;
    if (from === undefined || zone === undefined)
      throw new UsageError(
        "import xxl-job: expected --from and --zone, found one of them missing. See `makegood import xxl-job --help`.",
      );
    // A wrong zone is a mistake of this command's, not of each of the jobs.
    await asUsage(() => every("1s", { zone }));
    const { groups, jobs } = await readSource(from);
    const plan = planImport(groups, jobs, { zone, scripts });
    show(plan, values.json, terminal);
    if (!values.apply) {
      terminal.printError("Nothing was done; --apply does it.");
      return exitCodes.done;
    }
    const made = await apply(plan, values);
    terminal.printError(`${made.schedules} schedules made, ${made.existed} were there already.`);
    return exitCodes.done;
  },
};

async function readSource(from: string): Promise<{ groups: readonly SourceRow[]; jobs: readonly SourceRow[] }> {
  const address = parseStoreAddress(from);
  if (address.kind !== "mysql")
    throw new UsageError(`--from: expected mysql://USER:PASSWORD@HOST:PORT/DATABASE, found ${describeStore(address)}.`);
  const { openPool } = await importMysql();
  const pool = openPool(address.url);
  try {
    const read = async (table: string): Promise<readonly SourceRow[]> =>
      (await pool.query(`SELECT * FROM ${table} ORDER BY id`))[0] as SourceRow[];
    return { groups: await read("xxl_job_group"), jobs: await read("xxl_job_info") };
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new UsageError(`--from: expected an XXL-JOB database, found that it cannot be read: ${reason}.`, {
      cause: error,
    });
  } finally {
    await pool.end();
  }
}

function show({ groups, schedules, remarks }: Plan, inJson: boolean, terminal: Terminal): void {
  if (inJson) {
    for (const { on: _on, ...schedule } of schedules) terminal.print(JSON.stringify({ schedule }));
    for (const group of groups) terminal.print(JSON.stringify({ group }));
    for (const remark of remarks) terminal.print(JSON.stringify({ remark }));
    return;
  }
  for (const { sourceId, title, fires, call, paused } of schedules)
    terminal.print(`job ${sourceId}  ${title}  ${calledBy(call)}  ${fires}${paused ? "  (paused)" : ""}`);
  for (const { name, addresses } of groups)
    terminal.print(`group ${name}  ${addresses.length === 0 ? "registers by itself" : addresses.join(", ")}`);
  for (const { sourceId, title, remark, isLeftOut } of remarks)
    terminal.print(`${isLeftOut ? "LEFT OUT" : "in part "}  job ${sourceId}  ${title}: ${remark}`);
}

interface Target {
  readonly store: string;
  readonly namespace: string;
  readonly paused: boolean;
}

async function apply({ groups, schedules }: Plan, { store: address, namespace, paused }: Target) {
  const store = await storeAt(readStoreOption(address));
  const app = makegood({ store, namespace });
  const made = { schedules: 0, existed: 0 };
  try {
    await store.migrate();
    await app.open();
    for (const { name, addresses } of groups)
      for (const at of addresses)
        await store.executors.register({
          ...{ namespace, group: name, address: at, source: "manual", generation: null, leaseMs: null },
        });
    for (const schedule of schedules) {
      if ((await app.schedules.find(schedule.name)) !== null) {
        made.existed += 1;
        continue;
      }
      const options = {
        name: schedule.name,
        paused: paused || schedule.paused,
        actor: { kind: "user", id: "import" } as const,
      };
      await app.schedules.add(schedule.call, schedule.on, {
        ...options,
        note: `XXL-JOB's job ${schedule.sourceId}, ${schedule.title}`,
      });
      made.schedules += 1;
    }
    return made;
  } finally {
    await app.stop({ grace: 0 });
  }
}
