// Here the markers are in the embedded database; with Redis it is `sendSms(redisMarkers(new Redis()), gateway)`.
import { openEmbedded } from "../embedded.ts";
import { Provider } from "../provider.ts";
import { type Gateway, sendSms } from "./job.ts";
import * as naive from "./naive.ts";

const { shop, run, close } = await openEmbedded();
const provider = new Provider().trouble("sms n-1", "answer-lost", 1).trouble("sms s-1", "answer-lost", 1);
const gateway: Gateway = { send: async ({ id }, key) => provider.do(key, `sms ${id}`) };
const sms = (id: string) => ({ id, to: "+49 1", text: "It is on its way" });
const count = (id: string) => [...provider.effects.values()].filter((what) => what === `sms ${id}`).length;

const marked = new Set<string>();
const marks: naive.Marks = {
  set: async (key) => (marked.has(key) ? null : marked.add(key) && "OK"),
  del: async (key) => marked.delete(key),
};
await naive.sendSms(marks, gateway, sms("n-1")).catch((error: Error) => console.log(`naive: ${error.message}`));
await naive.sendSms(marks, gateway, sms("n-1"));
console.log(`naive: messages: ${count("n-1")}`);

const sending = sendSms(shop, gateway);
const app = await run(sending);
for (const execution of await Promise.all([1, 2].map(() => app.start(sending, sms("s-1"))))) await execution.result();
const calls = provider.calls.filter((call) => call === "sms s-1").length;
console.log(`makegood: calls: ${calls}, messages: ${count("s-1")}`);
await close();
