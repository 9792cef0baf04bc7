// Schedules that start each other: a graph without loops.
import { CatalogError } from "../errors.ts";
import type { Upstream } from "./schedule.ts";

/** A schedule as a node: of a job, and what it follows. */
export interface Follower {
  readonly id: string;
  readonly job: string;
  readonly upstreams: readonly Upstream[];
}

/**
 * Schedules that would follow themselves if `added` joined `others`, in the order in which they start each other; null: none.
 * What follows a job follows every schedule of that job, and follows what starts it by hand.
 */
export function findLoop(added: Follower, others: readonly Follower[]): readonly string[] | null {
  const all = [added, ...others.filter(({ id }) => id !== added.id)];
  const startedBy = (one: Follower): readonly Follower[] =>
    all.filter(({ upstreams }) =>
      upstreams.some(({ job, schedule }) => (schedule === undefined ? job === one.job : schedule === one.id)),
    );
  const seen = new Set<string>();
  const walk = (one: Follower, path: readonly string[]): readonly string[] | null => {
    for (const next of startedBy(one)) {
      if (next.id === added.id) return path;
      if (seen.has(next.id)) continue;
      seen.add(next.id);
      const found = walk(next, [...path, next.id]);
      if (found !== null) return found;
    }
    return null;
  };
  return walk(added, [added.id]);
}

/** Throws SCHEDULE_LOOP. */
export function refuseLoop(added: Follower, others: readonly Follower[], nameOf: (id: string) => string): void {
  const loop = findLoop(added, others);
  if (loop === null) return;
  const names = [...loop, added.id].map(nameOf);
  throw new CatalogError(
    "SCHEDULE_LOOP",
    `expected schedules that follow each other without a loop, found ${names.join(" → ")}. Start one of them otherwise`,
    { schedules: names },
  );
}
