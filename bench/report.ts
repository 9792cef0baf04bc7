// What is printed: a table per case, or a line of JSON per suite and store.
import type { StoreChoice } from "./arguments.ts";
import type { Entrant } from "./entrants.ts";
import { type Figures, figuresOf, ratioOf, type Spread } from "./figures.ts";
import { describeMachine, type Machine } from "./machine.ts";
import type { Taken } from "./sample.ts";
import type { Case, Suite } from "./suites/suite.ts";

/** All samples of a suite: by entrant, by id of the case, by run; null where it failed. */
export type Samples = ReadonlyMap<Entrant, ReadonlyMap<string, readonly (Taken | null)[]>>;

export interface SuiteResult {
  readonly suite: Suite;
  readonly cases: readonly Case[];
  readonly samples: Samples;
}

export interface Surroundings {
  readonly machine: Machine;
  /** One line for each kind of database that took part. */
  readonly settings: readonly string[];
  /** As it would be typed. */
  readonly command: string;
}

type StoreKind = StoreChoice["kind"];

const storeTitles = { postgres: "PostgreSQL", mariadb: "MariaDB", sqlite: "SQLite" } as const;

/** Those that took part, beside makegood on this store: peers do, whatever they need themselves. */
function entrantsOn(store: StoreKind, { samples }: SuiteResult): readonly Entrant[] {
  const present = [...samples].filter(([, ofEntrant]) => ofEntrant.size > 0).map(([entrant]) => entrant);
  return present.filter(({ role, contender }) => role === "peer" || contender.needs === store);
}

function figures({ samples }: SuiteResult, entrant: Entrant, { id, kind }: Case): Figures | null {
  return figuresOf(kind, samples.get(entrant)?.get(id) ?? []);
}

/** What the others are compared with. */
function reference(store: StoreKind, result: SuiteResult): Entrant | undefined {
  return entrantsOn(store, result).find(({ role }) => role === "ours");
}

function ourFigures(result: SuiteResult, store: StoreKind, it: Case): Figures | null {
  const ours = reference(store, result);
  return ours === undefined ? null : figures(result, ours, it);
}

// ── JSON ───────────────────────────────────────────────────────────────────────────────────────────────────────────

type ByCase<T> = Readonly<Record<string, T>>;

/** `variants`: other settings of ours. `ratios`: ours to theirs, by case and name. `shares`: of the floor. `toFirst`: to the suite's first case. */
export function jsonOf(result: SuiteResult, store: StoreKind, surroundings: Surroundings): string {
  const entrants = entrantsOn(store, result);
  const byCase = (entrant: Entrant): ByCase<Figures> =>
    record(
      result.cases,
      (it) => it.id,
      (it) => figures(result, entrant, it),
    );
  const only = (role: Entrant["role"]): readonly Entrant[] => entrants.filter((it) => it.role === role);
  const first = <T>(list: readonly T[]): T | undefined => list[0];
  const [ours, floor] = [first(only("ours")), first(only("floor"))];
  return JSON.stringify({
    suite: result.suite.name,
    store,
    ours: ours === undefined ? {} : byCase(ours),
    variants: record(only("ours").slice(1), ({ contender }) => contender.name, byCase),
    peers: record(only("peer"), ({ contender }) => contender.name, byCase),
    ratios: record(
      result.cases,
      (it) => it.id,
      (it) => ratiosTo(only("peer"), result, store, it),
    ),
    floor: floor === undefined ? {} : byCase(floor),
    shares: record(
      result.cases,
      (it) => it.id,
      (it) => ratiosTo(only("floor"), result, store, it)["floor"] ?? null,
    ),
    toFirst: record(
      result.cases,
      (it) => it.id,
      (it) => ratioToFirst(result, store, it),
    ),
    settings: {
      databases: surroundings.settings,
      ...record(
        entrants,
        ({ contender }) => contender.name,
        ({ contender }) => contender.settings,
      ),
    },
    versions: Object.assign({}, ...entrants.map(({ contender }) => contender.versions())),
    machine: surroundings.machine,
    command: surroundings.command,
  });
}

function ratiosTo(others: readonly Entrant[], result: SuiteResult, store: StoreKind, it: Case): ByCase<Spread> {
  const ours = ourFigures(result, store, it);
  return record(
    others,
    ({ contender }) => contender.name,
    (entrant) => {
      const theirs = figures(result, entrant, it);
      return ours === null || theirs === null ? null : ratioOf(ours, theirs);
    },
  );
}

function ratioToFirst(result: SuiteResult, store: StoreKind, it: Case): Spread | null {
  const [first] = result.cases;
  if (result.suite.comparesWithFirst !== true || first === undefined || first === it) return null;
  if (first.kind !== it.kind) return null;
  const [mine, base] = [ourFigures(result, store, it), ourFigures(result, store, first)];
  return mine === null || base === null ? null : ratioOf(mine, base);
}

function record<T, R>(
  list: readonly T[],
  keyOf: (it: T) => string,
  toValue: (it: T) => R | null,
): Readonly<Record<string, R>> {
  const entries = list.map((it) => [keyOf(it), toValue(it)] as const);
  return Object.fromEntries(entries.filter((entry): entry is readonly [string, R] => entry[1] !== null));
}

// ── Tables ─────────────────────────────────────────────────────────────────────────────────────────────────────────

export function tablesOf(result: SuiteResult, store: StoreKind): string {
  return result.cases.map((it) => tableOf(result, store, it)).join("\n");
}

function tableOf(result: SuiteResult, store: StoreKind, it: Case): string {
  const ours = ourFigures(result, store, it);
  const rows = entrantsOn(store, result).flatMap((entrant) => {
    const its = figures(result, entrant, it);
    if (its === null) return [];
    const ratio = entrant === reference(store, result) || ours === null ? null : ratioOf(ours, its);
    return [rowOf(entrant, its, ratio, it)];
  });
  const toFirst = ratioToFirst(result, store, it);
  const lines = [
    `${result.suite.name}/${it.id} on ${storeTitles[store]}: ${it.title}`,
    ...(rows.length === 0 ? ["  nobody did it"] : align([headOf(it), ...rows]).map((line) => `  ${line}`)),
    ...(toFirst === null ? [] : [`  makegood here to ${result.suite.name}/${result.cases[0]?.id}: ${spread(toFirst)}`]),
  ];
  return `${lines.join("\n")}\n`;
}

function headOf({ kind, unit }: Case): readonly string[] {
  const value = { rate: `${unit}/s`, latency: "p50 in ms", duration: "ms" }[kind];
  const costs = ["commits", "round trips", "CPU node", "CPU db", "MB"];
  return ["", value, kind === "latency" ? "p99" : "", "makegood to it", "count", ...costs];
}

function rowOf({ contender }: Entrant, its: Figures, ratio: Spread | null, { kind }: Case): readonly string[] {
  return [
    contender.name,
    spread(its),
    kind === "latency" && its.p99 !== null ? number(its.p99) : "",
    ratio === null ? "" : spread(ratio),
    number(its.count),
    ...[its.commitsPerUnit, its.roundTripsPerUnit].map((it) => (it === null ? "n/a" : number(it))),
    ...[its.nodeCpuPercent, its.serverCpuPercent].map((it) => (it === null ? "n/a" : `${Math.round(it)} %`)),
    number(Math.round(its.maxRssMb)),
  ];
}

/** What all tables of a run share. */
export function footOf(entrants: readonly Entrant[], { machine, settings, command }: Surroundings): string {
  const versions: Readonly<Record<string, string>> = Object.assign(
    {},
    ...entrants.map(({ contender }) => contender.versions()),
  );
  const used = entrants.filter(({ contender }) => contender.settings !== "");
  return [
    "Median (min to max) of the runs; ratios are taken run by run: above 1 makegood is faster, for times below 1. Commits (that",
    "wrote) and SQL round trips are per unit of work, CPU is of one processor: Node is the contender's process, db the server's or",
    "what the contender started, MB the most memory of that process. n/a: not known.",
    "",
    describeMachine(machine),
    ...settings,
    ...new Set(used.map(({ contender }) => `${contender.name}: ${contender.settings}`)),
    Object.entries(versions)
      .map(([name, version]) => `${name} ${version}`)
      .join(", "),
    command,
  ].join("\n");
}

const spread = ({ median, min, max }: Spread): string => `${number(median)} (${number(min)} to ${number(max)})`;

/** Three digits that count, or more where they stand before the point. */
function number(value: number): string {
  if (Math.abs(value) >= 100) return Math.round(value).toLocaleString("en-US");
  return value === 0 ? "0" : Number(value.toPrecision(3)).toLocaleString("en-US", { maximumFractionDigits: 6 });
}

/** Names to the left, figures to the right. Columns that are empty in all rows are left out. */
function align(rows: readonly (readonly string[])[]): readonly string[] {
  const columns = (rows[0] ?? []).map((_, column) => rows.map((row) => row[column] ?? ""));
  const shown = columns.filter((cells, column) => column === 0 || cells.slice(1).some((cell) => cell !== ""));
  const widths = shown.map((cells) => Math.max(...cells.map((cell) => cell.length)));
  return rows.map((_, row) =>
    shown
      .map((cells, column) => {
        const cell = cells[row] ?? "";
        return column === 0 ? cell.padEnd(widths[0] ?? 0) : cell.padStart(widths[column] ?? 0);
      })
      .join("   ")
      .trimEnd(),
  );
}
