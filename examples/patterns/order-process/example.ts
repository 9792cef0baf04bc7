import { setTimeout as wait } from "node:timers/promises";
import { openEmbedded } from "../embedded.ts";
import { insertOrder, noted, stateOf } from "../shop.ts";
import { deliverPoints, payOrder } from "./job.ts";
import * as naive from "./naive.ts";

const { db, shop, run, close } = await openEmbedded();
const sent: string[] = [];
await insertOrder(db, "A-1", "wait-pay");
await insertOrder(db, "A-2", "wait-deliver");
await insertOrder(db, "B-1", "wait-pay");
await new Promise<void>((died) => {
  void naive.payOrder(
    db,
    (id) => sent.push(id),
    "A-1",
    () => new Promise(() => died()),
  );
});
console.log(`naive: A-1 is ${await stateOf(db, "A-1")}, and messages sent: ${sent.length}`);
await naive.deliverPoints(db, "A-2");
console.log(`naive: A-2 was on its way; after the consumer it is ${await stateOf(db, "A-2")}`);

const [paying, points] = [payOrder(shop), deliverPoints(shop)];
const app = await run(paying, points);
for (const paymentId of ["p-1", "p-1"]) {
  const said = await (await app.start(paying, { paymentId, orderId: "B-1" })).result();
  console.log(`makegood: paid: ${said}`);
}
while ((await noted(db, "B-1")).length === 0) await wait(10);
console.log(`makegood: B-1 is ${await stateOf(db, "B-1")}, awarded: ${(await noted(db, "B-1")).join()}`);
await close();
