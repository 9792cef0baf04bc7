// A lock with an expiry that nobody renews, since it was given; no second check for who waited; no fence at the write.
import type { ShopDb } from "../shop.ts";
import type { Source } from "./job.ts";

const leaseSeconds = 30;

/** `now`: in seconds. */
export async function syncData(
  db: ShopDb,
  source: Source,
  feed: string,
  day: string,
  owner: string,
  now: number,
): Promise<"synced" | "locked"> {
  if (!(await acquire(db, feed, owner, now))) return "locked";
  const body = await source.read(day);
  await db.updateTable("feeds").set({ body }).where("name", "=", feed).execute();
  await db.deleteFrom("locks").where("name", "=", feed).execute();
  return "synced";
}

async function acquire(db: ShopDb, name: string, owner: string, now: number): Promise<boolean> {
  const held = await db.selectFrom("locks").selectAll().where("name", "=", name).executeTakeFirst();
  if (held !== undefined && held.expires_at > now) return false;
  await db.deleteFrom("locks").where("name", "=", name).execute();
  await db
    .insertInto("locks")
    .values({ name, owner, expires_at: now + leaseSeconds })
    .execute();
  return true;
}
