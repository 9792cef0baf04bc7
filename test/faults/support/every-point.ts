/** Walks every point at which a life can end. */
import type { Context } from "makegood";
import { afterEach, beforeEach, expect } from "vitest";
import { type Book, newReceipt } from "./book.ts";
import { type DiesAt, dawdle, type Life, type Lives, liveThrough } from "./lives.ts";
import type { NewPlace } from "./places.ts";
import { seededRandom, seedOf } from "./seeded-random.ts";
import { isThorough } from "./thorough.ts";
import { openWorld, type Place, type World } from "./world.ts";

export const walkTimeoutMs = isThorough ? 1_800_000 : 180_000;

export interface Walk {
  readonly random: () => number;
  /**
   * Ends the first life at its first point, at its second … until it comes through; then pairs of lives. No receipt may
   * be there twice; the rest is for `check`, which is given what happened as `place what`.
   */
  atEveryPoint(
    lifeOf: (world: World, life: number) => Life,
    check: (lives: Lives, effects: readonly string[], receipts: readonly string[]) => Promise<void> | void,
  ): Promise<void>;
  /** Steps that only do something. */
  inBook(ctx: Context, book: Book, what: string): { run(tx: unknown): string | Promise<string>; irreversible: string };
  atProvider(
    ctx: Context,
    world: World,
    what: string,
  ): { run(step: { readonly key: string }): Promise<string>; irreversible: string };
}

const irreversible = "test";

export function makeWalk(newPlace: NewPlace, kind: Place["kind"]): Walk {
  const seed = seedOf(process.env["MAKEGOOD_SEED"]);
  const random = seededRandom(seed);
  let world: World;
  let count = 0;
  beforeEach(async () => {
    world = await openWorld(newPlace());
  });
  afterEach(() => world.close());

  return {
    random,
    async atEveryPoint(lifeOf, check) {
      const walk = async (ends: readonly DiesAt[]): Promise<number> => {
        const { place } = world;
        count++;
        const remote = place.remote.replace(/\.db$/, `-${count}.db`);
        const here = await openWorld({ ...place, name: `${place.name}-${count}`, remote });
        const lives = await liveThrough(here, ends, (life) => lifeOf(here, life));
        try {
          const timeline = await here.timeline();
          const receipts = timeline.map(({ receipt, what }) => `${receipt} ${what}`);
          const where = `lives that ended at ${ends.join(", ")}; MAKEGOOD_SEED=${seed}`;
          expect(receipts.length - new Set(receipts).size, where).toBe(0);
          await check(
            lives,
            timeline.map(({ place: there, what }) => `${there} ${what}`),
            timeline.map(({ receipt }) => receipt),
          );
          return lives.deathCount;
        } finally {
          await lives.stop();
          await here.close();
        }
      };
      const step = isThorough || kind === "sqlite" ? 1 : 4;
      let points = 1;
      while ((await walk([points])) > 0) points += step;
      const anyPoint = (): number => 1 + Math.floor(random() * points);
      for (let pair = 0; pair < (isThorough ? 60 : 6); pair++) await walk([anyPoint(), anyPoint()]);
    },
    inBook: (ctx, book, what) => ({ run: (tx) => book.add(tx, what, newReceipt(ctx.key, what)), irreversible }),
    atProvider: (ctx, { provider }, what) => ({
      async run({ key }) {
        await dawdle(random);
        return provider.request(key, what, newReceipt(ctx.key, what));
      },
      irreversible,
    }),
  };
}
