import { openEmbedded } from "../embedded.ts";
import { Provider } from "../provider.ts";
import { insertOrder, stateOf } from "../shop.ts";
import { deliverOrder } from "./job.ts";
import * as naive from "./naive.ts";

const { db, shop, run, close } = await openEmbedded();
const provider = new Provider();
const carrier = { ship: async (id: string, key: string) => provider.do(key, `ship ${id}`) };
await insertOrder(db, "A-1", "wait-deliver");
await insertOrder(db, "B-1", "wait-deliver");

const both = [naive.deliverOrder(db, carrier, "A-1"), naive.deliverOrder(db, carrier, "A-1")];
for (const { status } of await Promise.allSettled(both)) console.log(`naive: ${status}`);
console.log(`naive: parcels of A-1: ${provider.calls.length}`);

const delivering = deliverOrder(shop, carrier);
const app = await run(delivering);
for (const requestId of ["by ann", "by bob"]) {
  const { state } = await (await app.start(delivering, { requestId, orderId: "B-1" })).outcome();
  console.log(`makegood: ${requestId}: ${state}`);
}
const parcels = provider.calls.filter((call) => call === "ship B-1").length;
console.log(`makegood: parcels of B-1: ${parcels}, it is ${await stateOf(db, "B-1")}`);
await close();
