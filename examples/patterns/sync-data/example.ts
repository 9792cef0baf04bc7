import { openEmbedded } from "../embedded.ts";
import { type Source, syncData } from "./job.ts";
import * as naive from "./naive.ts";

const { db, shop, run, close } = await openEmbedded();
await db
  .insertInto("feeds")
  .values([
    { name: "prices", body: "", fence: 0 },
    { name: "codes", body: "", fence: 0 },
  ])
  .execute();
const bodyOf = async (name: string) =>
  (await db.selectFrom("feeds").select("body").where("name", "=", name).executeTakeFirstOrThrow()).body;

let finish = (_: string) => {};
let began = () => {};
const isReading = new Promise<void>((resolve) => (began = resolve));
const slow: Source = {
  read: () => {
    began();
    return new Promise((resolve) => (finish = resolve));
  },
};
const first = naive.syncData(db, slow, "prices", "Monday", "one", 0);
await isReading;
await naive.syncData(db, { read: async (day) => `${day} new` }, "prices", "Monday", "two", 31);
finish("Monday old");
await first;
console.log(`naive: the first outlived its lock, and wrote last: ${await bodyOf("prices")}`);

let reads = 0;
const source: Source = { read: async (day) => `${day} read ${++reads} times` };
const syncing = syncData(shop, db, source);
const app = await run(syncing);
const sync = async (runId: string) => (await app.start(syncing, { runId, feed: "codes", day: "Monday" })).result();
console.log(`makegood: two at once: ${(await Promise.all([sync("one"), sync("two")])).sort().join(", ")}`);
console.log(`makegood: ${await bodyOf("codes")}`);
await close();
