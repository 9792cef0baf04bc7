/** A process that begins the job, and is killed by SIGKILL after the second of its three writes. */
import { makegood } from "makegood";
import { connect, type Place } from "../testing/clients.ts";
import { buy, type Order } from "./job.ts";

export interface ChildArguments {
  readonly place: Place;
  readonly namespace: string;
  readonly order: Order;
}

const { place, namespace, order } = JSON.parse(process.argv[2] ?? "null") as ChildArguments;
const { shop, newStore } = connect(place, ({ query }) => {
  if (/^update .stock/.test(query.sql)) process.kill(process.pid, "SIGKILL");
});
const job = buy(shop);
const app = makegood({ store: newStore(), namespace, workerName: "shop-1" });
app.register(job);
await app.run();
await (await app.start(job, order)).result();
