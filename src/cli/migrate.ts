import { type Command, exitCodes, parseOptions } from "./command.ts";
import { describeStore, migrateStore, readStoreOption, storeHelp } from "./store-address.ts";

const defaultStore = "makegood.db";

export const migrateCommand: Command = {
  name: "migrate",
  summary: "creates or updates the tables of a store",
  help: `Usage: makegood migrate [--store URL]

Creates the engine's tables in a store, or brings them up to date. Safe to run twice, from several
processes at once, and to be killed in the middle.

  --store URL   ${storeHelp}.
                Default: ${defaultStore} in the current folder
  --help        shows this text
`,
  async run(args, terminal) {
    const options = parseOptions(args, { store: { type: "string", default: defaultStore } }, "migrate");
    const address = readStoreOption(options.store);
    for (const name of await migrateStore(address)) terminal.print(`applied ${name}`);
    terminal.print(`${describeStore(address)} is up to date.`);
    return exitCodes.done;
  },
};
