import { openEmbedded } from "../embedded.ts";
import { Provider } from "../provider.ts";
import { placeOrder, type Service } from "./job.ts";
import * as naive from "./naive.ts";

const { run, close } = await openEmbedded();
const provider = new Provider();
const services: Service[] = ["stock", "coupon", "balance"].map((name) => ({
  name,
  do: async (id, key) => provider.do(`${name} ${key}`, `${name} ${id}`),
  undo: async (id, actionKey) => provider.undo(`${name} ${actionKey}`, `${name} ${id}`),
}));
const left = (id: string) => [...provider.effects.values()].filter((what) => what.endsWith(id)).join(", ") || "nothing";

provider.trouble("balance A-1", "answer-lost").trouble("balance B-1", "answer-lost");
console.log(`naive: ${await naive.placeOrder(services, "A-1")}, left: ${left("A-1")}`);

const placing = placeOrder(services);
const app = await run(placing);
provider.trouble("undo coupon B-1", "fails", 1);
const { state } = await (await app.start(placing, { id: "B-1" })).outcome();
console.log(`makegood: ${provider.calls.filter((call) => call.startsWith("undo") && call.endsWith("B-1")).join(", ")}`);
console.log(`makegood: ${state}, left: ${left("B-1")}`);
await close();
