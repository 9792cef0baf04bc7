// The jobs that a user's modules export.
import { existsSync } from "node:fs";
import { resolve } from "node:path";
import { pathToFileURL } from "node:url";
import type { AnyJob } from "../../index.ts";
import { UsageError } from "../usage-error.ts";

export interface Loaded {
  readonly jobs: readonly AnyJob[];
  readonly samples: Readonly<Record<string, readonly unknown[]>>;
  /** The same jobs, of the modules loaded a second time, as another process would: what is made once in each shows. */
  readonly again: readonly AnyJob[];
  /** Modules that bear no second loading, and why. */
  readonly onceOnly: readonly string[];
}

/** The export that holds inputs for the dry run, by the name of the job. */
const samplesExport = "checklistSamples";

/** Imports the modules: runs what stands in them. Throws UsageError for one that is not there, fails, or exports no job. */
export async function loadJobs(modules: readonly string[]): Promise<Loaded> {
  const jobs = new Map<string, AnyJob>();
  const samples: Record<string, readonly unknown[]> = {};
  const again: AnyJob[] = [];
  const onceOnly: string[] = [];
  for (const name of modules) {
    const exported = await load(name);
    const found = Object.values(exported).flatMap(jobsIn);
    if (found.length === 0)
      throw new UsageError(
        `checklist: expected ${name} to export jobs, lists of jobs, or an app with registered jobs, found none. See \`makegood checklist --help\`.`,
      );
    for (const job of found) jobs.set(`${job.name} ${job.version}`, job);
    Object.assign(samples, readSamples(exported[samplesExport], name));
    try {
      again.push(...Object.values(await importModule(`${pathToFileURL(resolve(name)).href}?again`)).flatMap(jobsIn));
    } catch (error) {
      onceOnly.push(`${name}: ${error instanceof Error ? error.message : String(error)}`);
    }
  }
  return { jobs: [...jobs.values()], samples, again, onceOnly };
}

type Exports = Readonly<Record<string, unknown>>;
const importModule = async (href: string): Promise<Exports> => (await import(href)) as Exports;

async function load(name: string): Promise<Exports> {
  const path = resolve(name);
  if (!existsSync(path)) throw new UsageError(`checklist: expected a module that is there, found no file ${path}.`);
  try {
    return await importModule(pathToFileURL(path).href);
  } catch (error) {
    const why = error instanceof Error ? `${error.name}: ${error.message}` : String(error);
    throw new UsageError(`checklist: expected a module that can be imported, found that ${name} cannot: ${why}`, {
      cause: error,
    });
  }
}

/** A job, a list of jobs, or an app; also of another copy of this package. */
function jobsIn(value: unknown): readonly AnyJob[] {
  if (Array.isArray(value)) return value.filter(isJob);
  if (isJob(value)) return [value];
  if (typeof value !== "object" || value === null || typeof Reflect.get(value, "register") !== "function") return [];
  const registered: unknown = Reflect.get(value, "jobs");
  return Array.isArray(registered) ? registered.filter(isJob) : [];
}

function isJob(value: unknown): value is AnyJob {
  const { name, version, options, handler } = (value ?? {}) as Partial<AnyJob>;
  return (
    typeof name === "string" &&
    typeof version === "number" &&
    typeof options === "object" &&
    typeof handler === "function"
  );
}

function readSamples(value: unknown, name: string): Readonly<Record<string, readonly unknown[]>> {
  if (value === undefined) return {};
  if (typeof value === "object" && value !== null && Object.values(value).every(Array.isArray))
    return value as Readonly<Record<string, readonly unknown[]>>;
  throw new UsageError(
    `checklist: expected ${samplesExport} of ${name} to be lists of inputs by the name of the job: { "place-order": [{ … }] }.`,
  );
}
