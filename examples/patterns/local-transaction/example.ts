import { openEmbedded } from "../embedded.ts";
import { centsOf, insertAccount, insertStock, note, noted, stateOf, unitsOf } from "../shop.ts";
import { buy } from "./job.ts";
import * as naive from "./naive.ts";

const { db, shop, another, run, close } = await openEmbedded();
const buying = buy(shop);
await insertAccount(db, "ann", 100);
await insertAccount(db, "bob", 5);
await insertStock(db, "cup", 100);

const pool = another();
await naive.buy(pool, { id: "A-1", customer: "bob", code: "cup", cents: 10 }).catch((error: Error) => {
  console.log(`naive: ${error.message}; the connection goes back with its transaction open`);
});
await note(pool, "paid", "B-1");
await pool.destroy();
console.log(`naive: of what the next one wrote there, ${(await noted(db, "B-1")).length} lines are left`);

const app = await run(buying);
for (const [id, customer] of [
  ["A-2", "bob"],
  ["B-2", "ann"],
] as const) {
  const { state } = await (await app.start(buying, { id, customer, code: "cup", cents: 10 })).outcome();
  console.log(`makegood: ${id} of ${customer} ${state}, the order is ${(await stateOf(db, id)) ?? "not there"}`);
}
console.log(`makegood: ${await unitsOf(db, "cup")} cups, ann has ${await centsOf(db, "ann")}`);
await close();
