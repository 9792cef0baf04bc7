import { openEmbedded } from "../embedded.ts";
import { Provider } from "../provider.ts";
import { insertOrder, stateOf } from "../shop.ts";
import { type Bank, refundPayment } from "./job.ts";
import * as naive from "./naive.ts";

const { db, shop, run, close } = await openEmbedded();
const provider = new Provider();
const bank: Bank = { refund: async (orderId, key) => provider.do(key, `refund ${orderId}`) };
const countOf = (id: string) => [...provider.effects.values()].filter((what) => what === `refund ${id}`).length;

let wake = () => {};
const slow = naive.refund(db, bank, "A-1", { now: 0, afterClaim: () => new Promise((resolve) => (wake = resolve)) });
while (!(await db.selectFrom("records").selectAll().executeTakeFirst()));
await naive.refund(db, bank, "A-1", { now: 31 });
wake();
await slow;
console.log(`naive: taken over after the time-out, A-1 was refunded ${countOf("A-1")} times`);

const refunding = refundPayment(shop, bank);
await insertOrder(db, "B-1", "completed");
const app = await run(refunding);
provider.trouble("refund B-1", "answer-lost", 1);
for (const execution of await Promise.all([1, 2].map(() => app.start(refunding, { orderId: "B-1" }))))
  console.log(`makegood: ${await execution.result()}`);
console.log(`makegood: B-1 is ${await stateOf(db, "B-1")}, refunded ${countOf("B-1")} times, after a lost answer`);
await close();
