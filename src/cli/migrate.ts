import type { Dialect } from "../core/store.ts";
import { participantSql } from "../participant/migrations/script.ts";
import { type Command, exitCodes, parseOptions } from "./command.ts";
import { describeStore, migrateParticipant, migrateStore, readStoreOption, storeHelp } from "./store-address.ts";
import { UsageError } from "./usage-error.ts";

const defaultStore = "makegood.db";

export const migrateCommand: Command = {
  name: "migrate",
  summary: "creates or updates the tables of a store or a participant",
  help: `Usage: makegood migrate [--store URL]
       makegood migrate --participant URL
       makegood migrate --sql DIALECT

Creates the engine's tables in a store, or a participant's tables in one of your own databases, or
brings them up to date. Safe to run twice, from several processes at once, and to be killed in the middle.

  --store URL         ${storeHelp}.
                      Default: ${defaultStore} in the current folder
  --participant URL   one of your own databases that jobs work on, as above
  --sql DIALECT       prints the statements that make a participant's tables, for migrations of your
                      own, and connects to nothing: postgres, mysql (also for MariaDB) or sqlite
  --help              shows this text
`,
  async run(args, terminal) {
    const { store, participant, sql } = parseOptions(
      args,
      { store: { type: "string" }, participant: { type: "string" }, sql: { type: "string" } },
      "migrate",
    );
    if ([store, participant, sql].filter((given) => given !== undefined).length > 1)
      throw new UsageError(
        "migrate: expected one of --store, --participant and --sql, found several. Run it once for each.",
      );
    if (sql !== undefined) {
      for (const statement of participantSql(readDialect(sql))) terminal.print(`${statement};\n`);
      return exitCodes.done;
    }
    if (participant !== undefined) {
      const address = readStoreOption(participant);
      await migrateParticipant(address);
      terminal.print(`The participant's tables in ${describeStore(address)} are up to date.`);
      return exitCodes.done;
    }
    const address = readStoreOption(store ?? defaultStore);
    for (const name of await migrateStore(address)) terminal.print(`applied ${name}`);
    terminal.print(`${describeStore(address)} is up to date.`);
    return exitCodes.done;
  },
};

const dialects: readonly Dialect[] = ["postgres", "mysql", "sqlite"];

function readDialect(text: string): Dialect {
  const dialect = dialects.find((known) => known === text);
  if (dialect !== undefined) return dialect;
  throw new UsageError(`--sql: expected ${dialects.join(", ")}, found "${text}".`);
}
