/** Many lives of one process inside this one. A dead life is one whose store never answers again, so that none of its awaits settles. */
import { type AnyJob, type App, type AppOptions, makegood, type Outcome, type Store } from "makegood";
import { type Mortal, mortal } from "makegood/testing";
import type { World } from "./world.ts";

export interface Lives {
  readonly app: App;
  readonly outcome: Outcome<unknown>;
  readonly executionId: string;
  /** How many lives ended before their time. */
  readonly deathCount: number;
  /** Ends the last life. Dead ones have nothing to end but their connections. */
  stop(): Promise<void>;
}

/** Where a life ends: at the n-th call of the store (each counts twice, before and after), or not at all. */
export type DiesAt = number | null;

export interface Life {
  readonly job: AnyJob;
  readonly others?: readonly AnyJob[];
  readonly options?: Partial<AppOptions>;
  /** What others do to the execution, in every life anew. */
  readonly meanwhile?: (app: App, executionId: string) => Promise<unknown>;
}

/**
 * Starts an execution and lives through it: the first life ends at `ends[0]`, the next one of the same name at `ends[1]`,
 * and so on. What a dead life has under way at a provider or in another database goes on there, as in a frozen process.
 */
export async function liveThrough(
  world: World,
  ends: readonly DiesAt[],
  lifeOf: (life: number) => Life,
): Promise<Lives> {
  const mortals: Mortal[] = [];
  const namespace = world.place.name;
  for (let life = 0; ; life++) {
    const one = mortal(world.newStore());
    mortals.push(one);
    const dead = new Promise<"dead">((resolve) => {
      one.onPoint = (point) => {
        if (point !== (ends[life] ?? null)) return;
        one.kill();
        resolve("dead");
      };
    });
    const { job, others = [], options = {}, meanwhile } = lifeOf(life);
    const name = `${namespace} one`;
    const app = makegood({
      namespace,
      workerName: name,
      lease: "6s",
      poll: "20ms",
      maxCrashes: 100,
      ...options,
      store: one.store,
    });
    app.register(job, ...others);
    const found = await Promise.race([run(app, job, meanwhile), dead, hangs(app, life)]);
    if (found === "dead") continue;
    // What the test asks now is no part of this life.
    one.onPoint = () => {};
    const stop = async (): Promise<void> => {
      await app.stop({ graceMs: 0 });
      await Promise.all(mortals.map((each) => each.close()));
    };
    return { app, ...found, deathCount: life, stop };
  }
}

const patienceMs = 25_000;

/** A life that comes to nothing is a finding, and says how things stand. */
async function hangs(app: App, life: number): Promise<never> {
  await new Promise((resolve) => void setTimeout(resolve, patienceMs).unref());
  const rows = await app.list();
  const histories = await Promise.all(rows.map(({ id }) => app.history(id)));
  const standings = histories.map(({ execution: { job, status, phase, token }, journal }) => ({
    ...{ job, status, phase, token },
    journal: journal.map((row) => `${row.step} ${row.role} ${row.token}`),
  }));
  throw new Error(`Life ${life} did not end within ${patienceMs} ms: ${JSON.stringify(standings)}`);
}

async function run(
  app: App,
  job: AnyJob,
  meanwhile: Life["meanwhile"],
): Promise<Pick<Lives, "outcome" | "executionId">> {
  await app.run();
  const execution = await app.start(job, "1");
  const [outcome] = await Promise.all([execution.outcome(), meanwhile?.(app, execution.id)]);
  return { outcome, executionId: execution.id };
}

/** A store whose worker does not renew its lease, as that of a process that hangs, so that a successor takes over at once. */
export function unrenewed(store: Store): Store {
  const workers = new Proxy(store.workers, {
    get: (target, name) => {
      if (name === "renew") return async () => true;
      const value: unknown = Reflect.get(target, name);
      return typeof value === "function" ? value.bind(target) : value;
    },
  });
  return new Proxy(store, {
    get(target, name) {
      if (name === "workers") return workers;
      const value: unknown = Reflect.get(target, name);
      return typeof value === "function" ? value.bind(target) : value;
    },
  });
}

/** Lets some other work go first; how much is up to chance. */
export async function dawdle(random: () => number): Promise<void> {
  for (let turns = Math.floor(random() * 6); turns > 0; turns--)
    await new Promise((resolve) => void setImmediate(resolve));
}
