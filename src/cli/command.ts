import { type ParseArgsConfig, parseArgs } from "node:util";
import { UsageError } from "./usage-error.ts";

/** Standard output is for results (it may be read by a program), standard error for progress and complaints. */
export interface Terminal {
  print(text: string): void;
  printError(text: string): void;
  /** Draws over the last line of standard error; only where it is interactive. */
  redraw(line: string): void;
  /** Whether standard error is a terminal, on which a line can be drawn over. */
  readonly isInteractive: boolean;
  /** Of standard error, in characters. */
  readonly columns: number;
}

/** One command of `makegood`, in a file of its own; main.ts lists them. */
export interface Command {
  readonly name: string;
  /** One line, for the list of commands. */
  readonly summary: string;
  readonly help: string;
  /** Of a command with subcommands: the help of the one that the arguments name; undefined: `help`. */
  readonly helpFor?: (args: readonly string[]) => string | undefined;
  /** Returns the exit code. Throws UsageError where the arguments are wrong. */
  run(args: readonly string[], terminal: Terminal): Promise<number>;
}

export const exitCodes = {
  done: 0,
  /** It ran, and something is not as it should be. */
  failed: 1,
  /** Wrong arguments: nothing was done. */
  usage: 2,
  /** Ctrl-C; 128 + SIGINT, as shells do. */
  interrupted: 130,
} as const;

export type Options = NonNullable<ParseArgsConfig["options"]>;

/** `parseArgs` of Node without positional arguments; whatever is unknown or lacks its value throws UsageError. */
export function parseOptions<const O extends Options>(args: readonly string[], options: O, command: string) {
  try {
    return parseArgs({ args: [...args], options, strict: true, allowPositionals: false }).values;
  } catch (error) {
    throw usageErrorOf(error, command);
  }
}

/** The same, with positional arguments. */
export function parseArguments<const O extends Options>(args: readonly string[], options: O, command: string) {
  try {
    return parseArgs({ args: [...args], options, strict: true, allowPositionals: true });
  } catch (error) {
    throw usageErrorOf(error, command);
  }
}

function usageErrorOf(error: unknown, command: string): unknown {
  if (!isParseError(error)) return error;
  // Node adds advice about positional arguments that begin with a dash; ours do not.
  const complaint = error.message.replace(/\.? To specify .*|\.?\n.*|\.$/s, "");
  return new UsageError(`${complaint}. See \`makegood ${command} --help\`.`, { cause: error });
}

function isParseError(error: unknown): error is Error {
  return error instanceof Error && "code" in error && String(error.code).startsWith("ERR_PARSE_ARGS_");
}
