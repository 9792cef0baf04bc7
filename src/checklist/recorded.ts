// What executions in a store show: which steps ran, and which were undone.
import type { AnyJob } from "../core/job.ts";
import type { ReadStore } from "../core/store.ts";

export interface Recorded {
  /** Of this version, at most as many as were looked at. */
  readonly executionCount: number;
  /** Names of steps. */
  readonly steps: readonly string[];
  /** With how often: `take stock (3)`. */
  readonly undone: readonly string[];
}

const maxExecutions = 50;
const undoRoles = ["compensation", "cancel"];

/** Reads the newest executions of the job's version. */
export async function readRecorded(reads: ReadStore, namespace: string, job: AnyJob): Promise<Recorded> {
  const newest = await reads.list({ namespace, job: job.name, limit: maxExecutions });
  const executions = newest.filter(({ version }) => version === job.version);
  const steps = new Set<string>();
  const undone = new Map<string, number>();
  for (const { id } of executions) {
    const { journal } = await reads.history(id);
    for (const { step, role } of journal) {
      const name = nameOf(step);
      // What the engine writes for itself begins with a colon.
      if (name === "") continue;
      steps.add(name);
      if (undoRoles.includes(role)) undone.set(name, (undone.get(name) ?? 0) + 1);
    }
  }
  return {
    executionCount: executions.length,
    steps: [...steps],
    undone: [...undone].map(([name, count]) => `${name} (${count})`),
  };
}

/** `take stock:tea` is the step "take stock" of the id "tea". */
const nameOf = (step: string): string => step.split(":", 1)[0] ?? "";
