/** Runs one execution through a chain of lives; each but the last is killed at a point of its own. */
import type { CrashArguments, CrashLine } from "./crash-child.ts";
import type { PlotName } from "./plots.ts";
import type { Points, Spot } from "./points.ts";
import type { Nursery } from "./processes.ts";
import { faultsIn } from "./report.ts";
import type { Place } from "./world.ts";

export interface Chain {
  /** The names of the points at which lives ended, in order. */
  readonly deaths: readonly string[];
  /** What the last life came past. */
  readonly points: Points["seen"];
  /** What was wrong at the end. */
  readonly faults: readonly string[];
}

const maxLives = 12;

export async function runChain(
  nursery: Nursery<CrashArguments>,
  place: Place,
  plot: PlotName,
  deadly: readonly Spot[],
): Promise<Chain> {
  const deaths: string[] = [];
  const accepted = new Set<string>();
  for (let life = 0; life < maxLives; life++) {
    const child = nursery.start({ place, plot, deadly: deadly[life] ?? null });
    const exit = await child.exit;
    for (const line of child.lines.map((text) => JSON.parse(text) as CrashLine)) {
      if ("accepted" in line) accepted.add(line.accepted);
      else if ("died" in line) deaths.push(line.died.name);
      else if (exit.code === 0) {
        const faults = [...faultsIn(line.report, plot), ...complaints(child.errors())];
        // Whoever was told an id is told the same one for ever.
        if (accepted.size !== 1) faults.push(`accepted as ${[...accepted].join(" and ")}`);
        return { deaths, points: line.points, faults };
      }
    }
    if (exit.signal !== "SIGKILL")
      return { deaths, points: [], faults: [`life ${life} ended by ${exit.code ?? exit.signal}: ${child.errors()}`] };
  }
  return { deaths, points: [], faults: [`not ended after ${maxLives} lives`] };
}

/** The engine writes to stderr what needs a look. Nothing here should. */
function complaints(errors: string): readonly string[] {
  return errors === "" ? [] : [`stderr: ${errors.slice(0, 2_000)}`];
}

/** Runs `work` on each element, a few at a time, and gives the answers in order. */
export async function inParallel<A, B>(
  count: number,
  elements: readonly A[],
  work: (element: A) => Promise<B>,
): Promise<readonly B[]> {
  const answers: B[] = [];
  let next = 0;
  const lane = async (): Promise<void> => {
    for (let i = next++; i < elements.length; i = next++) answers[i] = await work(elements[i] as A);
  };
  await Promise.all(Array.from({ length: count }, lane));
  return answers;
}
