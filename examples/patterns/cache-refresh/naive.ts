// The cache is written inside the transaction, or emptied before it commits, or refreshed in whatever order writers come by.
import type { ShopDb } from "../shop.ts";
import type { Pause } from "../testing/gate.ts";

export type Cache = Map<string, number>;

export const writeInside = (db: ShopDb, cache: Cache, code: string, cents: number, beforeCommit?: Pause) =>
  db.transaction().execute(async (tx) => {
    await tx.updateTable("products").set({ cents }).where("code", "=", code).execute();
    cache.set(code, cents);
    await beforeCommit?.();
  });

export const emptyBefore = (db: ShopDb, cache: Cache, code: string, cents: number, beforeCommit?: Pause) =>
  db.transaction().execute(async (tx) => {
    await tx.updateTable("products").set({ cents }).where("code", "=", code).execute();
    cache.delete(code);
    await beforeCommit?.();
  });

export async function writeAfter(db: ShopDb, cache: Cache, code: string, cents: number, afterCommit?: Pause) {
  await db.updateTable("products").set({ cents }).where("code", "=", code).execute();
  await afterCommit?.();
  cache.set(code, cents);
}

export async function readPrice(db: ShopDb, cache: Cache, code: string): Promise<number> {
  const cached = cache.get(code);
  if (cached !== undefined) return cached;
  const { cents } = await db.selectFrom("products").select("cents").where("code", "=", code).executeTakeFirstOrThrow();
  cache.set(code, cents);
  return cents;
}
