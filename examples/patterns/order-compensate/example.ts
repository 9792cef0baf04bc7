import { openEmbedded } from "../embedded.ts";
import { insertOrder, insertStock, stateOf, unitsOf } from "../shop.ts";
import { orderCompensate } from "./job.ts";
import * as naive from "./naive.ts";

const { db, shop, run, close } = await openEmbedded();
const insertFailed = async (id: string, code: string) => {
  await insertStock(db, code, 99);
  await insertOrder(db, id, "failed");
  await db.updateTable("orders").set({ failed_at: Date.now(), code }).where("id", "=", id).execute();
};
await insertFailed("A-1", "cup");
const found = await naive.scan(db, Date.now() + 11 * 60_000);
console.log(`naive: a scan after 11 minutes finds ${found.length} rows, and so do all that follow`);
await new Promise<void>((died) => {
  void naive.scan(db, Date.now(), () => new Promise(() => died()));
});
await naive.scan(db, Date.now());
console.log(
  `naive: one died between stock and state, the next gave back again: ${await unitsOf(db, "cup")} of 100 cups`,
);

await insertFailed("B-1", "mug");
const { scan, fix } = orderCompensate(shop, db);
const app = await run(scan, fix);
for (let turn = 1; turn <= 2; turn++) {
  const scanned = await app.start(scan, undefined);
  const { rows, started } = await scanned.result();
  for (const { id } of await app.list({ parent: scanned.id })) await app.execution(id).result();
  console.log(`makegood: scan ${turn}: rows ${rows}, fixes started ${started}`);
}
console.log(`makegood: B-1 is ${await stateOf(db, "B-1")}, ${await unitsOf(db, "mug")} of 100 mugs`);
await close();
