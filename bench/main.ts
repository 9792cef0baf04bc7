// npm run -s bench -- SUITE… [OPTION…]: see arguments.ts, or --help.
import { help, isCase, readArguments, UsageError, type Wish } from "./arguments.ts";
import { type Entrant, findEntrants } from "./entrants.ts";
import { lookAtMachine } from "./machine.ts";
import { openPlaces, type PlaceKind, type PlaceSource, placeKindOf, whyMissing } from "./places.ts";
import { footOf, jsonOf, type SuiteResult, type Surroundings, tablesOf } from "./report.ts";
import type { Taken } from "./sample.ts";
import type { Case, Suite } from "./suites/suite.ts";
import { SampleFailedError, takeSample } from "./take-sample.ts";

const sampleLimitMs = 600_000;
const longSampleLimitMs = 7_200_000;
const exitCodes = { done: 0, failed: 1, usage: 2 } as const;

process.exitCode = await main(process.argv.slice(2)).catch((error: unknown) => {
  if (!(error instanceof UsageError)) throw error;
  process.stderr.write(`${error.message}\n`);
  return exitCodes.usage;
});

async function main(args: readonly string[]): Promise<number> {
  const wish = readArguments(args);
  if (wish === "help") {
    process.stdout.write(help);
    return exitCodes.done;
  }
  const machine = lookAtMachine();
  const { entrants, sources } = await openSources(wish, await findEntrants(wish));
  try {
    const settings = [...sources.values()].map((source) => source.settings).filter((text) => text !== "");
    const command = `npm run -s bench -- ${args.map(withoutPassword).join(" ")}`;
    const surroundings: Surroundings = { machine, settings, command };
    let failures = 0;
    const seen = new Set<Entrant>();
    for (const suite of wish.suites) {
      const { result, failureCount } = await runSuite(suite, wish, entrants, sources);
      failures += failureCount;
      for (const [entrant, ofEntrant] of result.samples) if (ofEntrant.size > 0) seen.add(entrant);
      if (result.cases.length > 0) print(result, wish, entrants, surroundings);
    }
    if (!wish.isJson) process.stdout.write(`${footOf([...seen], surroundings)}\n`);
    return failures === 0 ? exitCodes.done : exitCodes.failed;
  } finally {
    for (const source of sources.values()) await source.close();
  }
}

function withoutPassword(text: string): string {
  return text.replace(/^(postgres|postgresql|mysql|mariadb):\/\/.*$/, "$1://…");
}

type Sources = ReadonlyMap<PlaceKind, PlaceSource>;

/** Leaves out those whose database cannot be had, with a loud line; throws UsageError where that database was asked for. */
async function openSources(
  wish: Wish,
  wished: readonly Entrant[],
): Promise<{ readonly entrants: readonly Entrant[]; readonly sources: Sources }> {
  const urlOf = (kind: PlaceKind): string | null =>
    wish.stores.flatMap((it) => (it.kind !== "sqlite" && it.kind === kind ? [it.url] : []))[0] ?? null;
  const kinds = new Set(wished.map(({ contender }) => placeKindOf(contender)));
  const sources = new Map<PlaceKind, PlaceSource>();
  try {
    for (const kind of kinds) {
      const reason = whyMissing(kind, urlOf(kind));
      if (reason === null) sources.set(kind, await openPlaces(kind, urlOf(kind), wish.profileFolder !== null));
      else if (wish.areStoresNamed && wish.stores.some((store) => store.kind === kind))
        throw new UsageError(`--store ${kind}: ${reason}.`);
      else process.stderr.write(`!!! LEFT OUT: who needs ${kind}: ${reason}.\n`);
    }
  } catch (error) {
    for (const source of sources.values()) await source.close();
    throw error;
  }
  return { entrants: wished.filter(({ contender }) => sources.has(placeKindOf(contender))), sources };
}

/** Run 1 of all, then run 2 of all: whatever else the machine does meanwhile hits all alike. */
async function runSuite(
  suite: Suite,
  wish: Wish,
  entrants: readonly Entrant[],
  sources: Sources,
): Promise<{ readonly result: SuiteResult; readonly failureCount: number }> {
  const cases = suite.cases.filter((it) => isWished(`${suite.name}/${it.id}`, it, wish));
  const samples = new Map(entrants.map((it) => [it, new Map<string, (Taken | null)[]>()]));
  let failureCount = 0;
  for (let run = 1; run <= wish.runs; run++)
    for (const one of cases)
      for (const entrant of entrants) {
        const caseId = `${suite.name}/${one.id}`;
        const source = sources.get(placeKindOf(entrant.contender));
        if (source === undefined || entrant.contender.cases[caseId] === undefined) continue;
        const taken = await take({ caseId, one, run, entrant, wish, source });
        if (taken === null) failureCount++;
        const ofEntrant = samples.get(entrant);
        ofEntrant?.set(one.id, [...(ofEntrant.get(one.id) ?? []), taken]);
      }
  return { result: { suite, cases, samples }, failureCount };
}

function isWished(caseId: string, { isLong }: Case, { cases, withLong }: Wish): boolean {
  if (cases.length > 0) return cases.some((wished) => isCase(caseId, wished));
  return isLong !== true || withLong;
}

interface Turn {
  readonly caseId: string;
  readonly one: Case;
  readonly run: number;
  readonly entrant: Entrant;
  readonly wish: Wish;
  readonly source: PlaceSource;
}

/** Null, with the reason on standard error, where it failed. */
async function take({ caseId, one, run, entrant, wish, source }: Turn): Promise<Taken | null> {
  const { name, needs } = entrant.contender;
  process.stderr.write(
    `${caseId}, run ${run} of ${wish.runs}: ${name}${entrant.role === "peer" ? "" : ` on ${needs}`} … `,
  );
  const { count, warmUp } = amountOf(one, entrant, wish);
  const limitMs = one.isLong === true ? longSampleLimitMs : sampleLimitMs;
  try {
    const { profileFolder } = wish;
    const taken = await takeSample({ entrant, caseId, count, warmUp, run, profileFolder, limitMs }, source);
    process.stderr.write(`${briefly(taken)}\n`);
    return taken;
  } catch (error) {
    if (!(error instanceof SampleFailedError)) throw error;
    process.stderr.write(`FAILED\n${error.message}\n`);
    return null;
  }
}

/** A tenth of a number that is given warms up, as far as the case warms up at all. Quantiles never need more than their own number. */
function amountOf(one: Case, { role }: Entrant, { count }: Wish): { readonly count: number; readonly warmUp: number } {
  const own = role === "peer" ? (one.peerCount ?? one.count) : one.count;
  if (count === null) return { count: own, warmUp: Math.min(one.warmUp, Math.ceil(own / 5)) };
  const given = one.kind === "latency" ? Math.min(count, own) : count;
  return { count: given, warmUp: Math.min(one.warmUp, Math.ceil(given / 10)) };
}

function briefly({ sample }: Taken): string {
  if (sample.kind === "latency") return `p50 ${sample.p50Ms.toFixed(3)} ms`;
  return `${Math.round(sample.count / sample.seconds).toLocaleString("en-US")}/s`;
}

function print(result: SuiteResult, wish: Wish, entrants: readonly Entrant[], surroundings: Surroundings): void {
  const kinds = wish.stores.map(({ kind }) => kind);
  const present = kinds.filter((kind) => entrants.some(({ contender }) => contender.needs === kind));
  for (const kind of present.length === 0 ? kinds.slice(0, 1) : present)
    process.stdout.write(`${wish.isJson ? jsonOf(result, kind, surroundings) : tablesOf(result, kind)}\n`);
}
