import { CodedError } from "../index.ts";
import { checklistCommand } from "./checklist/command.ts";
import { type Command, exitCodes, type Terminal } from "./command.ts";
import { demoCommand } from "./demo/command.ts";
import { executionsCommand } from "./executions/command.ts";
import { importCommand } from "./import/command.ts";
import { migrateCommand } from "./migrate.ts";
import { schedulesCommand } from "./schedules/command.ts";
import { serveCommand } from "./serve.ts";
import { startCommand } from "./start.ts";
import { UsageError } from "./usage-error.ts";
import { readVersion } from "./version.ts";

const commands: readonly Command[] = [
  demoCommand,
  serveCommand,
  schedulesCommand,
  startCommand,
  executionsCommand,
  importCommand,
  checklistCommand,
  migrateCommand,
];

/** The command line of makegood. Returns the exit code; throws nothing that a user can cause. */
export async function main(args: readonly string[], terminal: Terminal): Promise<number> {
  try {
    return await dispatch(args, terminal);
  } catch (error) {
    terminal.printError(`makegood: ${describeFailure(error)}`);
    return error instanceof UsageError ? exitCodes.usage : exitCodes.failed;
  }
}

async function dispatch([first, ...rest]: readonly string[], terminal: Terminal): Promise<number> {
  if (first === "--help" || first === "-h" || first === "help") return show(helpText(), terminal);
  if (first === "--version" || first === "-v") return show(readVersion(), terminal);
  if (first === undefined) throw new UsageError(`expected a command, found none.\n\n${helpText()}`);
  const command = commands.find((it) => it.name === first);
  if (command === undefined) {
    const names = commands.map((it) => it.name).join(", ");
    const kind = first.startsWith("-") ? "option" : "command";
    throw new UsageError(
      `expected a command (${names}), found the unknown ${kind} "${first}". See \`makegood --help\`.`,
    );
  }
  if (rest.includes("--help") || rest.includes("-h"))
    return show((command.helpFor?.(rest) ?? command.help).trimEnd(), terminal);
  return command.run(rest, terminal);
}

function show(text: string, terminal: Terminal): number {
  terminal.print(text);
  return exitCodes.done;
}

function helpText(): string {
  const width = Math.max(...commands.map((it) => it.name.length));
  const list = commands.map((it) => `  ${it.name.padEnd(width)}  ${it.summary}`);
  return [
    "Usage: makegood COMMAND [OPTION…]",
    "",
    ...list,
    "",
    "makegood COMMAND --help tells more about a command; makegood --version shows the version.",
  ].join("\n");
}

/** Our own errors and those of the command line speak for themselves; anything else is a bug, and its stack is wanted. */
function describeFailure(error: unknown): string {
  if (error instanceof UsageError) return error.message;
  if (error instanceof CodedError) return `${error.code}: ${error.message}`;
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}
