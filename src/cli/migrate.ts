import { type Command, exitCodes, parseOptions } from "./command.ts";
import { describeStore, migrateParticipant, migrateStore, readStoreOption, storeHelp } from "./store-address.ts";
import { UsageError } from "./usage-error.ts";

const defaultStore = "makegood.db";

export const migrateCommand: Command = {
  name: "migrate",
  summary: "creates or updates the tables of a store or a participant",
  help: `Usage: makegood migrate [--store URL]
       makegood migrate --participant URL

Creates the engine's tables in a store, or a participant's tables in one of your own databases, or
brings them up to date. Safe to run twice, from several processes at once, and to be killed in the middle.

  --store URL         ${storeHelp}.
                      Default: ${defaultStore} in the current folder
  --participant URL   one of your own databases that jobs work on, as above
  --help              shows this text
`,
  async run(args, terminal) {
    const { store, participant } = parseOptions(
      args,
      { store: { type: "string" }, participant: { type: "string" } },
      "migrate",
    );
    if (store !== undefined && participant !== undefined)
      throw new UsageError("migrate: expected --store or --participant, found both. Run it once for each.");
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
