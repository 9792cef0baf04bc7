import { setTimeout as wait } from "node:timers/promises";
import { openEmbedded } from "../embedded.ts";
import { Provider } from "../provider.ts";
import { placeOrder, raiseAlarm } from "./job.ts";
import * as naive from "./naive.ts";

const { db, shop, run, close } = await openEmbedded();
const told: string[] = [];
await new Promise<void>((died) => {
  void naive.handOver(naive.sinksOn(db, told, "A-1"), { alarm: () => new Promise(() => died()) });
});
console.log(`naive: died after the first of three: a task is there, and told were: ${told.join() || "none"}`);

const provider = new Provider().trouble("ship B-1", "refused").trouble("undo pay B-1", "fails");
const placing = placeOrder(
  shop,
  db,
  {
    pay: async (id, key) => provider.do(key, `pay ${id}`),
    payBack: async (id, paymentKey) => provider.undo(paymentKey, `pay ${id}`),
  },
  { ship: async (id, key) => provider.do(key, `ship ${id}`) },
);
let alarms = 0;
const alarm = raiseAlarm({
  page: async (text) => {
    alarms++;
    console.log(`makegood: alarm: ${text}`);
  },
});
const app = await run(placing, alarm);
const { state } = await (await app.start(placing, { id: "B-1" })).outcome();
while (alarms === 0) await wait(10);
const [task] = await db.selectFrom("manual_tasks").selectAll().where("id", "=", "B-1").execute();
console.log(`makegood: the order is ${state}; for a person: ${task?.id}, ${task?.why}`);
await close();
