import { setTimeout as wait } from "node:timers/promises";
import { openEmbedded } from "../embedded.ts";
import { Provider } from "../provider.ts";
import { insertOrder, insertStock, stateOf, unitsOf } from "../shop.ts";
import { orderJobs } from "./job.ts";
import * as naive from "./naive.ts";

const { db, shop, run, close } = await openEmbedded();
const provider = new Provider();
await insertOrder(db, "A-1", "wait-pay");
await insertStock(db, "cup", 99);
console.log(`naive: level ${naive.checkLevel} is a delay of ${naive.delayOfLevel(naive.checkLevel)}`);
await naive.cancelUnpaid(db, "A-1", "cup", () => naive.takePayment(db, "A-1"));
console.log(`naive: A-1 was paid while the check decided; it is ${await stateOf(db, "A-1")}`);

const jobs = orderJobs(shop, { payBack: async (id, key) => provider.do(key, `pay back ${id}`) }, "1s");
const app = await run(jobs.createOrder, jobs.cancelUnpaid, jobs.takePayment);
await insertStock(db, "mug", 100);
const create = async (id: string) =>
  (await app.start(jobs.createOrder, { id, customer: "ann", code: "mug", cents: 10 })).result();
const pay = async (orderId: string) =>
  (await app.start(jobs.takePayment, { paymentId: `p ${orderId}`, orderId })).result();
await create("B-1");
console.log(`makegood: B-1 in time: ${await pay("B-1")}`);
await create("B-2");
while ((await stateOf(db, "B-2")) !== "canceled") await wait(20);
console.log(`makegood: B-2 too late: ${await pay("B-2")}`);
console.log(
  `makegood: B-1 is ${await stateOf(db, "B-1")}, B-2 ${await stateOf(db, "B-2")}, ${await unitsOf(db, "mug")} mugs`,
);
await close();
