// An app for one command: it starts and asks, and runs nothing.
import { type App, makegood } from "../index.ts";
import { readStoreOption, storeAt, storeHelp } from "./store-address.ts";
import { UsageError } from "./usage-error.ts";

export const defaultStore = "makegood.db";

/** For `parseOptions`, beside those of the command. */
export const storeOptions = {
  store: { type: "string", default: defaultStore },
  namespace: { type: "string", default: "default" },
} as const;

/** For a command's help. */
export const storeOptionsHelp = `  --store URL         ${storeHelp}.
                      Default: ${defaultStore} in the current folder
  --namespace NAME    Default: default`;

export async function withApp<T>(
  options: { readonly store: string; readonly namespace: string },
  use: (app: App) => Promise<T>,
): Promise<T> {
  const app = makegood({ store: await storeAt(readStoreOption(options.store)), namespace: options.namespace });
  try {
    await app.open();
    return await use(app);
  } finally {
    await app.stop({ grace: 0 });
  }
}

/** The one positional argument of a command, such as an id. Throws UsageError. */
export function onlyArgument(positionals: readonly string[], what: string, command: string): string {
  const [only] = positionals;
  if (only !== undefined && positionals.length === 1) return only;
  throw new UsageError(
    `${command}: expected ${what}, found ${positionals.length} arguments. See \`makegood ${command} --help\`.`,
  );
}

/** Throws UsageError unless the text is a whole number in the range. */
export function readWhole(text: string, option: string, min: number, max: number): number {
  const value = /^[0-9]{1,9}$/.test(text) ? Number(text) : Number.NaN;
  if (value >= min && value <= max) return value;
  throw new UsageError(`--${option}: expected a whole number from ${min} to ${max}, found "${text}".`);
}
