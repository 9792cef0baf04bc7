import { main } from "../main.ts";

export interface CliRun {
  readonly code: number;
  /** What it printed, each line with its end. */
  readonly out: string;
  readonly error: string;
}

/** Runs a command in this process, at a terminal where nobody sits. */
export async function runCli(...args: readonly string[]): Promise<CliRun> {
  const [out, errors]: [string[], string[]] = [[], []];
  const code = await main(args, {
    print: (text) => void out.push(`${text}\n`),
    printError: (text) => void errors.push(`${text}\n`),
    redraw() {},
    isInteractive: false,
    columns: 80,
  });
  return { code, out: out.join(""), error: errors.join("") };
}
