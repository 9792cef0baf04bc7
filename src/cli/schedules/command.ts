import type { Command } from "../command.ts";
import { UsageError } from "../usage-error.ts";
import { nextCommand } from "./next.ts";

const subcommands: readonly Command[] = [nextCommand];

export const schedulesCommand: Command = {
  name: "schedules",
  summary: "shows when a cron expression fires",
  help: `Usage: makegood schedules SUBCOMMAND [OPTION…]

${subcommands.map((it) => `  ${it.name.padEnd(6)}${it.summary}`).join("\n")}

makegood schedules SUBCOMMAND --help tells more.
`,
  async run([first, ...rest], terminal) {
    const subcommand = subcommands.find((it) => it.name === first);
    if (subcommand !== undefined) return subcommand.run(rest, terminal);
    const names = subcommands.map((it) => it.name).join(", ");
    const found = first === undefined ? "none" : `"${first}"`;
    throw new UsageError(
      `schedules: expected a subcommand (${names}), found ${found}. See \`makegood schedules --help\`.`,
    );
  },
  helpFor: (args) => subcommands.find((it) => it.name === args[0])?.help,
};
