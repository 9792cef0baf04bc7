// The command line of the benchmark.
import { parseArgs } from "node:util";
import type { Suite } from "./suites/suite.ts";
import { suites } from "./suites.ts";

export type StoreChoice =
  | { readonly kind: "sqlite" }
  /** A null `url` is a private server, started for the benchmark. */
  | { readonly kind: "postgres" | "mariadb"; readonly url: string | null };

export interface Wish {
  readonly suites: readonly Suite[];
  readonly stores: readonly StoreChoice[];
  /** Whether the stores were named: one that cannot be had is then an error, else it is left out. */
  readonly areStoresNamed: boolean;
  readonly withPeers: boolean;
  readonly withFloor: boolean;
  readonly withLong: boolean;
  readonly isJson: boolean;
  readonly runs: number;
  /** For every case and contender; null for each case's own. */
  readonly count: number | null;
  /** `CASE` or `SUITE/CASE`; empty for all. */
  readonly cases: readonly string[];
  /** Parts of names; empty for all. */
  readonly contenders: readonly string[];
  /** Where the profiles of the samples go; null for none. */
  readonly profileFolder: string | null;
}

/** The command line asks for something that cannot be done: exit code 2, the message alone. */
export class UsageError extends Error {
  override readonly name = "UsageError";
}

const storeHelp =
  "sqlite, postgres or mariadb (a private server), or postgres://USER:PASSWORD@HOST:PORT/DATABASE, or mysql:// likewise";
const seeHelp = "See `npm run -s bench -- --help`.";

export const help = `Measures makegood, and what you might have picked instead, on this machine.

  npm run -s bench -- SUITE… [OPTION…]

Suites:
${suites.map(({ name, title, cases }) => `  ${name.padEnd(10)}${title}\n${" ".repeat(12)}${cases.map(({ id, isLong }) => (isLong === true ? `${id} (--long)` : id)).join(", ")}`).join("\n")}
  all       each of them

Options:
  --store STORE       ${storeHelp};
                      may be repeated; by default sqlite and postgres
  --peers             beside makegood its peers (installs them into bench/node_modules, once)
  --floor             beside makegood the floor: a short program that only journals the same rows
  --long              also the cases that take very long
  --case ID           only this case, as 256 or steps/256; may be repeated
  --contender NAME    only contenders whose name has this part; may be repeated
  --runs N            samples of each, by default 3
  --count N           units of work of each sample, instead of each case's own number
  --json              one line of JSON per suite and store, instead of tables
  --profile FOLDER    writes there, for each sample, a CPU profile (for Chrome's developer tools) and, for the private
                      PostgreSQL, its statements by pg_stat_statements; both cost speed
  --help              this

Each sample is a process of its own at a fresh place; contenders take turns, so that a noisy machine hits all alike. Servers are
started for the benchmark, on loopback and with durable settings, and are gone afterwards.
`;

/** Throws UsageError. \`"help"\` where that was asked for. */
export function readArguments(args: readonly string[]): Wish | "help" {
  const { values, positionals } = parse(args);
  if (values.help) return "help";
  const stores = (values.store ?? []).map(readStore);
  if (new Set(stores.map(({ kind }) => kind)).size < stores.length)
    throw new UsageError(`--store: expected each kind of store once, found one of them twice. ${seeHelp}`);
  const chosen = readSuites(positionals);
  return {
    suites: chosen,
    stores: stores.length > 0 ? stores : [{ kind: "postgres", url: null }, { kind: "sqlite" }],
    areStoresNamed: stores.length > 0,
    withPeers: values.peers,
    withFloor: values.floor,
    withLong: values.long,
    isJson: values.json,
    runs: readCount("--runs", values.runs),
    count: values.count === undefined ? null : readCount("--count", values.count),
    cases: (values.case ?? []).map((id) => readCase(id, chosen)),
    contenders: values.contender ?? [],
    profileFolder: values.profile ?? null,
  };
}

function parse(args: readonly string[]) {
  try {
    return parseArgs({
      args: [...args],
      allowPositionals: true,
      options: {
        store: { type: "string", multiple: true },
        peers: { type: "boolean", default: false },
        floor: { type: "boolean", default: false },
        long: { type: "boolean", default: false },
        case: { type: "string", multiple: true },
        contender: { type: "string", multiple: true },
        runs: { type: "string", default: "3" },
        count: { type: "string" },
        json: { type: "boolean", default: false },
        profile: { type: "string" },
        help: { type: "boolean", default: false },
      },
    });
  } catch (error) {
    if (!(error instanceof TypeError)) throw error;
    throw new UsageError(`${error.message.replace(/\.? To specify .*|\.?\n.*|\.$/s, "")}. ${seeHelp}`, {
      cause: error,
    });
  }
}

function readSuites(names: readonly string[]): readonly Suite[] {
  const known = [...suites.map(({ name }) => name), "all"].join(", ");
  if (names.length === 0)
    throw new UsageError(`Expected a suite, found none; name one or more of ${known}. ${seeHelp}`);
  const unknown = names.find((name) => name !== "all" && !suites.some((suite) => suite.name === name));
  if (unknown !== undefined)
    throw new UsageError(`Expected one of the suites ${known}, found "${unknown}". ${seeHelp}`);
  return suites.filter(({ name }) => names.includes(name) || names.includes("all"));
}

function readCase(id: string, chosen: readonly Suite[]): string {
  const known = chosen.flatMap(({ name, cases }) => cases.map((it) => `${name}/${it.id}`));
  if (known.some((it) => isCase(it, id))) return id;
  throw new UsageError(`--case: expected one of ${known.join(", ")}, found "${id}". ${seeHelp}`);
}

/** Whether the case `SUITE/CASE` is meant by `CASE` or `SUITE/CASE`. */
export function isCase(caseId: string, wished: string): boolean {
  return caseId === wished || caseId.endsWith(`/${wished}`);
}

function readStore(text: string): StoreChoice {
  if (text === "sqlite") return { kind: "sqlite" };
  if (text === "postgres" || text === "mariadb") return { kind: text, url: null };
  if (/^postgres(ql)?:\/\//.test(text) && URL.canParse(text)) return { kind: "postgres", url: text };
  if (/^(mysql|mariadb):\/\//.test(text) && URL.canParse(text))
    return { kind: "mariadb", url: text.replace(/^mariadb:/, "mysql:") };
  // An address may hold a password: only its kind is shown.
  const shown = /^[a-z][a-z0-9+.-]+:/i.exec(text)?.[0] ?? text;
  throw new UsageError(`--store: expected ${storeHelp}, found "${shown}". ${seeHelp}`);
}

function readCount(option: string, text: string): number {
  const count = Number(text);
  if (Number.isSafeInteger(count) && count >= 1) return count;
  throw new UsageError(`${option}: expected a whole number from 1, found "${text}". ${seeHelp}`);
}
