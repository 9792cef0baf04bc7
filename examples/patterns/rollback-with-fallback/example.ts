import { setTimeout as wait } from "node:timers/promises";
import { job, onMessage } from "makegood";
import * as z from "zod";
import { openEmbedded } from "../embedded.ts";
import { Provider } from "../provider.ts";
import { placeOrder, raiseAlarm, rollbackFailed } from "./job.ts";
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
let alarmed = "";
const alarm = raiseAlarm({
  page: async (text) => {
    alarmed = text;
  },
});
let deadLetter = "";
const Failure = z.object({ id: z.string(), why: z.string() });
const file = job("file-dead-letter", { input: Failure, on: [onMessage(rollbackFailed)] }, async (_ctx, { id }) => {
  deadLetter = id;
});
const app = await run(placing, alarm, file);
const { state } = await (await app.start(placing, { id: "B-1" })).outcome();
while (alarmed === "" || deadLetter === "") await wait(10);
console.log(`makegood: alarm: ${alarmed}`);
console.log(`makegood: dead letter: ${deadLetter}`);
const [task] = await db.selectFrom("manual_tasks").selectAll().where("id", "=", "B-1").execute();
console.log(`makegood: the order is ${state}; for a person: ${task?.id}, ${task?.why}`);
await close();
