// A command that names one thing and does one thing to it, with its actor and reason in the audit.

import type { App, CommandOptions } from "../index.ts";
import { asUsage } from "./as-usage.ts";
import { type Command, exitCodes, type Options, parseArguments } from "./command.ts";
import { defaultStore, onlyArgument, storeOptions, storeOptionsHelp, withApp } from "./with-app.ts";

/** An option of one command, a text. */
interface OwnOption {
  /** As the help shows it behind the name, such as `TIME`. */
  readonly value: string;
  /** One line, or several. */
  readonly help: string;
  readonly isRequired?: true;
}

interface ChangeCommand<Own extends string> {
  /** Of the group, such as `schedules`. */
  readonly group: string;
  readonly name: string;
  /** What the argument is, such as `the id of an execution`, and how the usage line shows it. */
  readonly of: { readonly text: string; readonly usage: string };
  readonly summary: string;
  readonly more: string;
  readonly options?: Readonly<Record<Own, OwnOption>>;
  /** Returns the line to print. */
  run(app: App, ref: string, options: CommandOptions, given: (option: Own) => string | undefined): Promise<string>;
}

const actor = { kind: "user", id: "command line" } as const;
const column = 22;

export function changeCommand<Own extends string = never>(command: ChangeCommand<Own>): Command {
  const { group, name, of, summary, more } = command;
  const own = Object.entries<OwnOption>(command.options ?? {});
  const required = own.filter(([, option]) => option.isRequired).map(([key, { value }]) => ` --${key} ${value}`);
  const options: Options = {
    ...Object.fromEntries(own.map(([key]) => [key, { type: "string" } as const])),
    ...{ note: { type: "string" }, ...storeOptions },
  };
  return {
    name,
    summary,
    help: `Usage: makegood ${group} ${name} ${of.usage}${required.join("")} [OPTION…]

${more}

${own.map(([key, { value, help }]) => `${`  --${key} ${value}`.padEnd(column)}${help.replaceAll("\n", `\n${" ".repeat(column)}`)}\n`).join("")}  --note TEXT         why, for the audit
${storeOptionsHelp}
  --help              shows this text
`,
    async run(args, terminal) {
      const { values, positionals } = parseArguments(args, options, `${group} ${name}`);
      const ref = onlyArgument(positionals, of.text, `${group} ${name}`);
      const given = (option: string): string | undefined => {
        const value = values[option];
        return typeof value === "string" ? value : undefined;
      };
      const note = given("note");
      const at = { store: given("store") ?? defaultStore, namespace: given("namespace") ?? "default" };
      const change = (app: App): Promise<string> =>
        command.run(app, ref, { actor, ...(note === undefined ? {} : { note }) }, given);
      terminal.print(await withApp(at, (app) => asUsage(() => change(app))));
      return exitCodes.done;
    },
  };
}
