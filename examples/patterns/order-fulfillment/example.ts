import { openEmbedded } from "../embedded.ts";
import { insertOrder, stateOf } from "../shop.ts";
import { scans, takeScan } from "./job.ts";
import * as naive from "./naive.ts";

const { db, shop, run, close } = await openEmbedded();
await insertOrder(db, "A-1", "paid");
await insertOrder(db, "B-1", "paid.wait-pick");

await db.updateTable("orders").set({ sub_state: "packing" }).where("id", "=", "A-1").execute();
await new Promise<void>((died) => {
  void naive.takeScan(db, "A-1", "packed", () => new Promise(() => died()));
});
const again = await naive.takeScan(db, "A-1", "packed");
console.log(`naive: died between two updates; again it is ${again}, and A-1 stays ${await stateOf(db, "A-1")}`);

const scanning = takeScan(shop);
const app = await run(scanning);
for (const event of ["pack", ...scans] as const) {
  const scan = { scanId: `${event} ${await stateOf(db, "B-1")}`, orderId: "B-1", event, by: "ann" };
  const said = await (await app.start(scanning, scan)).result();
  console.log(`makegood: ${event}: ${said}, B-1 is ${await stateOf(db, "B-1")}`);
}
await close();
