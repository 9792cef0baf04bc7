import { openEmbedded } from "../embedded.ts";
import { Provider } from "../provider.ts";
import { centsOf, insertAccount, insertStock, stateOf, unitsOf } from "../shop.ts";
import { placeOrder } from "./job.ts";
import * as naive from "./naive.ts";

const [{ db, shop, run, close }, bank] = [await openEmbedded(), await openEmbedded()];
const provider = new Provider();
await insertStock(db, "cup", 100);
await insertAccount(db, "bob", 5);
await naive.placeOrder(db, naive.warehouseOn(db, { lostReturns: 1 }), {
  id: "A-1",
  customer: "bob",
  code: "cup",
  cents: 10,
});
console.log(`naive: rolled back, an answer was lost: ${await unitsOf(db, "cup")} of 100 cups`);

const placing = placeOrder(
  shop,
  {
    take: async (code, key) => provider.do(key, `take ${code}`),
    giveBack: async (code, takenKey) => provider.undo(takenKey, `take ${code}`),
  },
  bank.shop,
);
const app = await run(placing);
provider.trouble("undo take mug", "answer-lost", 1);
await insertAccount(bank.db, "ann", 15);
for (const id of ["B-1", "B-2"]) {
  const { state } = await (await app.start(placing, { id, customer: "ann", code: "mug", cents: 10 })).outcome();
  console.log(`makegood: ${id} ${state}, it is ${await stateOf(db, id)}`);
}
console.log(`makegood: mugs taken: ${provider.effects.size}, ann has ${await centsOf(bank.db, "ann")} of 15`);
await close();
await bank.close();
