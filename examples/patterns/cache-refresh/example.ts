import { setTimeout as wait } from "node:timers/promises";
import { openEmbedded } from "../embedded.ts";
import { readPrice, readRow, refreshCache, setPrice, VersionedCache } from "./job.ts";
import * as naive from "./naive.ts";

const { db, shop, run, close } = await openEmbedded();
for (const code of ["cup", "mug"]) await db.insertInto("products").values({ code, cents: 1, version: 1 }).execute();

const plain: naive.Cache = new Map();
await naive.writeInside(db, plain, "cup", 2, () => Promise.reject(new Error("crash"))).catch(() => undefined);
console.log(
  `naive: rolled back; the cache says ${await naive.readPrice(db, plain, "cup")}, the row ${(await readRow(db, "cup")).cents}`,
);

const cache = new VersionedCache();
const [pricing, refreshing] = [setPrice(shop), refreshCache(cache)];
const app = await run(pricing, refreshing);
console.log(`makegood: mug costs ${await readPrice(db, cache, "mug")}`);
const early = await readRow(db, "mug");
await (await app.start(pricing, { changeId: "c-1", code: "mug", cents: 2 })).result();
while (cache.get("mug") !== undefined) await wait(10);
cache.put("mug", early);
console.log(`makegood: after a change, and a reader with the old row: ${await readPrice(db, cache, "mug")}`);
await close();
