import { type JobSettings, resolveJobSettings } from "../core/define.ts";
import { CatalogError } from "../core/errors.ts";
import type { AnyJob } from "../core/job.ts";
import type { JobRef } from "../core/store.ts";

export interface Definition {
  readonly job: AnyJob;
  readonly settings: JobSettings;
}

/** The jobs this process can run, by name and version. */
export class Registry {
  readonly #definitions = new Map<string, Map<number, Definition>>();
  readonly #resolved = new WeakMap<AnyJob, Definition>();
  #refs: readonly JobRef[] = [];

  /** With its companions. Registering the same job object again changes nothing. Throws JOB_DUPLICATE for another one of the same name and version. */
  add(job: AnyJob): void {
    const versions = this.#definitions.get(job.name) ?? new Map<number, Definition>();
    const known = versions.get(job.version);
    if (known?.job === job) return;
    if (known !== undefined)
      throw new CatalogError(
        "JOB_DUPLICATE",
        `expected one job named ${JSON.stringify(job.name)} with version ${job.version}, found a second one. Rename it, or raise its version`,
        { job: job.name, version: job.version },
      );
    versions.set(job.version, this.resolve(job));
    this.#definitions.set(job.name, versions);
    this.#refs = [...this.#refs, { job: job.name, version: job.version }];
    for (const companion of job.companions ?? []) this.add(companion);
  }

  find(name: string, version: number): Definition | undefined {
    return this.#definitions.get(name)?.get(version);
  }

  /** The settings of a job, registered here or not (a client starts what others run). */
  resolve(job: AnyJob): Definition {
    const known = this.#resolved.get(job);
    if (known !== undefined) return known;
    const definition = { job, settings: resolveJobSettings(job) };
    this.#resolved.set(job, definition);
    return definition;
  }

  /** Of each job its newest version here. */
  newest(): readonly Definition[] {
    return [...this.#definitions.values()].map((versions) =>
      [...versions.values()].reduce((newest, other) => (other.job.version > newest.job.version ? other : newest)),
    );
  }

  /** Its newest version here. */
  newestOf(name: string): Definition | undefined {
    const versions = this.#definitions.get(name);
    return versions?.get(Math.max(...versions.keys()));
  }

  get refs(): readonly JobRef[] {
    return this.#refs;
  }
}
