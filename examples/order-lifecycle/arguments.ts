import { parseArgs } from "node:util";

/** What a user can put right; told without a stack. */
export class UsageError extends Error {}

export const usage = `Usage: order-lifecycle --orders FILE [--store URL] [--json]

  --orders FILE   the orders, as comma-separated values
  --store URL     where they are kept: a file (PATH or sqlite:PATH), postgres://USER:PASSWORD@HOST:PORT/DATABASE
                  or mysql:// (mariadb://) likewise. Default: order-lifecycle.db in the current folder
  --json          prints the report as JSON
  --help          shows this text`;

export function readArguments(args: string[]) {
  const { orders, store, json = false, help = false } = parse(args);
  if (orders === undefined && !help) throw new UsageError(`expected --orders FILE, found none.\n\n${usage}`);
  return { file: orders ?? "", store: store ?? "order-lifecycle.db", isJson: json, isHelp: help };
}

function parse(args: string[]) {
  try {
    return parseArgs({
      args,
      options: {
        orders: { type: "string" },
        store: { type: "string" },
        json: { type: "boolean" },
        help: { type: "boolean", short: "h" },
      },
    }).values;
  } catch (error) {
    throw new UsageError(`${(error as Error).message}\n\n${usage}`);
  }
}
