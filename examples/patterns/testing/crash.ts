/** Crashes that a test can place: at every point of the engine's store in turn, or in the middle of a record. */
import { setTimeout as wait } from "node:timers/promises";
import { type AnyJob, type App, participant, type TxAdapter } from "makegood";
import { mortal } from "makegood/testing";
import { newApp, type World } from "./worlds.ts";

const maxPoints = 400;

interface Story {
  readonly jobs: readonly AnyJob[];
  /** Before the first life, with an id of this walk's own. */
  readonly prepare?: (id: string) => Promise<unknown>;
  /** What a caller does, and does again with the successor, having heard nothing of the first. */
  readonly act: (app: App, id: string) => Promise<unknown>;
  readonly check: (id: string) => Promise<unknown> | unknown;
}

/**
 * Ends a process at its first call of the store, then at its second … until it lives through the story. Each time a second
 * process of the same name takes over, and the caller asks it the same again. Checks after each, and gives how many died.
 */
export async function crashEverywhere(world: World, { jobs, prepare, act, check }: Story): Promise<number> {
  // The servers' points are walked with larger steps: they cost more, and SQLite has shown each of them. Where messages wait
  // for the end of a lease, each costs a second.
  const stride = (world.kind === "sqlite" ? 1 : 8) * (world.hasMessages ? 2 : 1);
  let deaths = 0;
  for (let killAt = 1; killAt <= maxPoints; killAt += stride) {
    const id = `${world.namespace}-${killAt}`;
    await prepare?.(id);
    const isDead = await dieAt(world, id, killAt, jobs, (app) => act(app, id));
    if (isDead) await liveOn(world, id, jobs, (app) => act(app, id));
    await check(id);
    if (!isDead) return deaths;
    deaths++;
  }
  throw new Error(`Expected the story to have fewer than ${maxPoints} points`);
}

type Act = (app: App) => Promise<unknown>;

async function dieAt(world: World, namespace: string, killAt: number, jobs: Story["jobs"], act: Act): Promise<boolean> {
  const life = mortal(world.newStore());
  const database = mortalAdapter(world.adapter);
  const dead = new Promise<true>((resolve) => {
    life.onPoint = (point) => {
      if (point !== killAt) return;
      life.kill();
      database.kill();
      resolve(true);
    };
  });
  const app = newApp(world, life.store, { namespace, relays: participant("shop", database.adapter) });
  app.register(...jobs);
  const lived = app
    .run()
    .then(() => act(app))
    .then(() => false);
  const isDead = await Promise.race([dead, lived]);
  life.onPoint = () => {};
  if (isDead) closes.push(() => life.close());
  else await app.stop({ graceMs: 0 });
  return isDead;
}

async function liveOn(world: World, namespace: string, jobs: Story["jobs"], act: Act): Promise<void> {
  const app = newApp(world, world.newStore(), { namespace });
  app.register(...jobs);
  await app.run();
  await act(app);
  await app.stop({ graceMs: 0 });
  for (const close of closes.splice(0)) await close();
}

/** The stores of the dead, closed when their successor has ended. */
const closes: (() => Promise<void>)[] = [];

export interface MortalAdapter<A> {
  readonly adapter: A;
  /** From now on no statement through this adapter returns or is sent: the process is gone, or frozen. */
  kill(): void;
  /** It was frozen, and comes back. */
  revive(): void;
}

/** A process that dies or freezes while it holds a record or a lock, which it then does not renew. */
export function mortalAdapter<Tx>(adapter: TxAdapter<Tx, "async">): MortalAdapter<TxAdapter<Tx, "async">> {
  let gone: PromiseWithResolvers<void> | undefined;
  const alive = async (): Promise<void> => gone?.promise;
  return {
    adapter: {
      ...adapter,
      transaction: async (body) => {
        await alive();
        return adapter.transaction(body);
      },
    },
    kill() {
      gone = Promise.withResolvers();
    },
    revive() {
      gone?.resolve();
      gone = undefined;
    },
  };
}

/** Looks until it is so. */
export async function until(isSo: () => Promise<boolean> | boolean): Promise<void> {
  for (let looks = 0; looks < maxLooks; looks++) {
    if (await isSo()) return;
    await wait(lookEveryMs);
  }
  throw new Error(`Expected it to be so within ${(maxLooks * lookEveryMs) / 1_000} s`);
}

const maxLooks = 2_000;
const lookEveryMs = 10;
