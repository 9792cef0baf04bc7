import { openEmbedded } from "../embedded.ts";
import { centsOf, insertAccount, insertOrder, stateOf } from "../shop.ts";
import { updateOrderStatus, withdraw } from "./job.ts";
import * as naive from "./naive.ts";

const { db, shop, run, close } = await openEmbedded();
const [updating, withdrawing] = [updateOrderStatus(shop), withdraw(shop)];
await insertOrder(db, "A-1", "paid");
await insertOrder(db, "B-1", "paid");
await insertAccount(db, "ann", 100);
await insertAccount(db, "bob", 100);

await naive.updateOrderStatus(db, { orderId: "A-1", version: 1, state: "canceled" });
const said = await naive.updateOrderStatus(db, { orderId: "A-1", version: 1, state: "wait-deliver" });
console.log(`naive: to ship A-1 is "${said}", and it is ${await stateOf(db, "A-1")}`);
await Promise.all([naive.withdraw(db, "ann", 50), naive.withdraw(db, "ann", 30)]);
console.log(`naive: 100 - 50 - 30 is ${await centsOf(db, "ann")}`);

const app = await run(updating, withdrawing);
for (const [changeId, state] of [
  ["by ann", "canceled"],
  ["by bob", "wait-deliver"],
  ["by ann", "canceled"],
] as const) {
  const change = await app.start(updating, { changeId, orderId: "B-1", version: 1, state });
  console.log(`makegood: ${changeId}: ${(await change.result()).kind}, B-1 is ${await stateOf(db, "B-1")}`);
}
const take = async (cents: number) =>
  (await app.start(withdrawing, { id: `of ${cents}`, account: "bob", cents })).result();
await Promise.all([take(50), take(30), take(50)]);
console.log(`makegood: 100 - 50 - 30 is ${await centsOf(db, "bob")}`);
await close();
