import type { Command } from "./command.ts";
import { UsageError } from "./usage-error.ts";

/** A command that only chooses among others. */
export function groupCommand(name: string, summary: string, subcommands: readonly Command[]): Command {
  const width = Math.max(...subcommands.map((it) => it.name.length));
  return {
    name,
    summary,
    help: `Usage: makegood ${name} SUBCOMMAND [OPTION…]

${subcommands.map((it) => `  ${it.name.padEnd(width)}  ${it.summary}`).join("\n")}

makegood ${name} SUBCOMMAND --help tells more.
`,
    async run([first, ...rest], terminal) {
      const subcommand = subcommands.find((it) => it.name === first);
      if (subcommand !== undefined) return subcommand.run(rest, terminal);
      const names = subcommands.map((it) => it.name).join(", ");
      const found = first === undefined ? "none" : `"${first}"`;
      throw new UsageError(
        `${name}: expected a subcommand (${names}), found ${found}. See \`makegood ${name} --help\`.`,
      );
    },
    helpFor: (args) => subcommands.find((it) => it.name === args[0])?.help,
  };
}
