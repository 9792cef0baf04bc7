// Which schedules follow which jobs, as this process knows it: read at start, when somebody says that schedules changed, and
// every now and then. What is a moment out of date here costs nobody a wrong start: an arrival looks at its schedule again.
import { isPassing } from "../../core/errors.ts";
import { Pause } from "../../core/pause.ts";
import type { Clock, Log, Tasks } from "../../core/ports.ts";
import { Definitions } from "../../core/schedule/definition.ts";
import type { Follower } from "../../core/schedule/graph.ts";
import type { ScheduleRow, ScheduleStore } from "../../core/schedule-store.ts";

export interface FollowersOptions {
  readonly namespace: string;
  readonly store: Pick<ScheduleStore, "followers">;
  readonly clock: Pick<Clock, "after">;
  readonly log: Log;
  /** Longest pause between looks. */
  readonly pollMs: number;
}

export class Followers {
  readonly #options: FollowersOptions;
  readonly #definitions = new Definitions();
  #byJob: ReadonlyMap<string, readonly ScheduleRow[]> = new Map();
  readonly #pause: Pause;

  constructor(options: FollowersOptions) {
    this.#options = options;
    this.#pause = new Pause(options.clock);
  }

  /** Of this job, or of schedules of it. */
  of(job: string): readonly ScheduleRow[] | undefined {
    return this.#byJob.get(job);
  }

  /** Reads them anew. Rejects with what the store rejects with. */
  async refresh(): Promise<void> {
    const { namespace, store } = this.#options;
    const byJob = new Map<string, ScheduleRow[]>();
    for (const row of (await store.followers(namespace)).filter(mayFollow))
      for (const job of new Set(this.#followed(row).map((upstream) => upstream.job)))
        byJob.set(job, [...(byJob.get(job) ?? []), row]);
    this.#byJob = byJob;
  }

  /** Looks again and again, from the first pause on. */
  start(tasks: Tasks): void {
    tasks.start("followers", (signal) => this.#loop(signal));
  }

  /** Schedules were made or changed: look now. */
  poke(): void {
    this.#pause.wake();
  }

  async #loop(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      await this.#pause.take(this.#options.pollMs, signal);
      if (signal.aborted) return;
      try {
        await this.refresh();
      } catch (error) {
        const { log } = this.#options;
        if (!isPassing(error))
          log.error({ err: error }, "schedules that follow others could not be read; trying again");
      }
    }
  }

  #followed(row: ScheduleRow): Follower["upstreams"] {
    try {
      return followerOf(this.#definitions, row).upstreams;
    } catch (error) {
      this.#options.log.error({ err: error, schedule: row.id }, "a schedule that follows others cannot be read");
      return [];
    }
  }
}

/** One whose code is down goes on following: what it is to start waits for it. */
export const mayFollow = ({ follows, paused }: ScheduleRow): boolean => follows && paused !== "person";

/** Throws STORE_SCHEMA. */
export function followerOf(definitions: Definitions, row: Pick<ScheduleRow, "id" | "job" | "definition">): Follower {
  const { timing } = definitions.read(row.definition, row.id).schedule;
  return { id: row.id, job: row.job, upstreams: timing.kind === "after" ? timing.upstreams : [] };
}
