// A cache follows the row by its version. The change and the news of it are one commit; who hears it raises the least version
// that the cache may hold, after the commit. What was read before that, and is put in after it, is refused, in whatever order
// readers and news arrive.
import { job, onMessage, topic } from "makegood";
import * as z from "zod";
import type { Shop, ShopDb } from "../shop.ts";

const NewPrice = z.object({ changeId: z.string(), code: z.string(), cents: z.int().positive() });
const Changed = z.object({ code: z.string(), version: z.int() });

export const productChanged = topic("product.changed", Changed);

export const setPrice = (shop: Shop) =>
  job("set-price", { input: NewPrice, key: (it) => it.changeId }, (ctx, { changeId, code, cents }) =>
    ctx.tx(shop, "change", {
      run: async (tx) => {
        const at = { table: "products", columns: { id: "code" }, id: code, set: { cents }, key: changeId };
        const { version } = await readRow(tx, code);
        const changed = await shop.updateVersioned(tx, { ...at, version });
        if (changed.kind === "stale") throw new Error(`somebody else changed ${code}: once more, in a new transaction`);
        if (changed.kind === "updated")
          await shop.publish(
            tx,
            productChanged,
            { code, version: changed.version },
            { id: `${code} ${changed.version}` },
          );
        return changed.kind;
      },
      irreversible: "the next price is a new decision",
    }),
  );

/** Repeated, or out of order, it does no harm. */
export const refreshCache = (cache: VersionedCache) =>
  job("cache-refresh", { input: Changed, on: [onMessage(productChanged)] }, async (ctx, { code, version }) => {
    await ctx.step("raise", { run: () => cache.raise(code, version), effect: "natural" });
  });

export interface Price {
  readonly cents: number;
  readonly version: number;
}

/** Where yours is Redis, each of these is one script. */
export class VersionedCache {
  readonly #entries = new Map<string, Price>();
  readonly #least = new Map<string, number>();

  get(code: string): Price | undefined {
    return this.#entries.get(code);
  }

  /** Refuses what is older than what is there, or than what was announced. */
  put(code: string, price: Price): void {
    const least = Math.max(this.#least.get(code) ?? 0, this.#entries.get(code)?.version ?? 0);
    if (price.version >= least) this.#entries.set(code, price);
  }

  raise(code: string, version: number): void {
    this.#least.set(code, Math.max(version, this.#least.get(code) ?? 0));
    if ((this.#entries.get(code)?.version ?? version) < version) this.#entries.delete(code);
  }
}

export async function readPrice(db: ShopDb, cache: VersionedCache, code: string): Promise<number> {
  const cached = cache.get(code);
  if (cached !== undefined) return cached.cents;
  const row = await readRow(db, code);
  cache.put(code, row);
  return row.cents;
}

export const readRow = (db: ShopDb, code: string): Promise<Price> =>
  db.selectFrom("products").select(["cents", "version"]).where("code", "=", code).executeTakeFirstOrThrow();
