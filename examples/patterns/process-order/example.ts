import { openEmbedded } from "../embedded.ts";
import { centsOf, insertAccount } from "../shop.ts";
import { processOrder } from "./job.ts";
import * as naive from "./naive.ts";

const { db, shop, run, close } = await openEmbedded();
const processing = processOrder(shop);
await insertAccount(db, "ann", 0);
await insertAccount(db, "bob", 0);

void naive.processOrder(db, { id: "A-1", customer: "ann", points: 5 }, { afterWork: () => new Promise(() => {}) });
await naive.processOrder(db, { id: "A-1", customer: "ann", points: 5 });
console.log(
  `naive: the first run died before its insert, the second worked again: ann has ${await centsOf(db, "ann")}`,
);

const app = await run(processing);
const order = { id: "B-1", customer: "bob", points: 5 };
for (const execution of await Promise.all([app.start(processing, order), app.start(processing, order)])) {
  await execution.result();
  console.log(`makegood: ${execution.isNew ? "started" : "already there"}`);
}
console.log(`makegood: bob has ${await centsOf(db, "bob")}`);
await close();
