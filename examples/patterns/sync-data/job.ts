// One process at a time reads a slow feed and writes it. The lock is renewed for as long as the work takes; who waited asks
// again whether there is anything left to do; and the write asks for the fence, so that one who slept writes nothing.
import { type Duration, job } from "makegood";
import * as z from "zod";
import type { Shop, ShopDb } from "../shop.ts";

const Sync = z.object({ runId: z.string(), feed: z.string(), day: z.string() });

export interface Source {
  /** Slow. What it gives begins with the day. */
  read(day: string): Promise<string>;
}

interface Request {
  readonly feed: string;
  readonly day: string;
  readonly wait?: Duration;
  readonly lease?: Duration;
}

export const syncData = (shop: Shop, db: ShopDb, source: Source) =>
  job("sync-data", { input: Sync, key: (it) => it.runId }, (ctx, request) =>
    ctx.step("sync", { run: async () => (await syncOnce(shop, db, source, request)).kind, effect: "natural" }),
  );

export const syncOnce = (shop: Shop, db: ShopDb, source: Source, { feed, day, wait = "30s", lease = "30s" }: Request) =>
  shop.lock(`sync:${feed}`, { wait, lease, unless: () => isSynced(db, feed, day) }, async (lock) => {
    const body = await source.read(day);
    lock.assertHeld();
    if (!(await writeFeed(db, feed, body, lock.fence))) throw new Error(`a later run has written ${feed}`);
  });

/** False: somebody with a greater fence has written. */
export async function writeFeed(db: ShopDb, feed: string, body: string, fence: number): Promise<boolean> {
  const { numUpdatedRows } = await db
    .updateTable("feeds")
    .set({ body, fence })
    .where("name", "=", feed)
    .where("fence", "<=", fence)
    .executeTakeFirst();
  return numUpdatedRows === 1n;
}

async function isSynced(db: ShopDb, feed: string, day: string): Promise<boolean> {
  const row = await db.selectFrom("feeds").select("body").where("name", "=", feed).executeTakeFirst();
  return row?.body.startsWith(day) === true;
}
