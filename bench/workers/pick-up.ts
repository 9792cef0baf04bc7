// The worker of `jobs/pickup-other-process`: says when its handler was entered.
import { job } from "../../src/index.ts";
import { receiveOrders, say } from "../child.ts";
import type { Place } from "../contender.ts";
import { openApp } from "../store.ts";

const noop = job("noop", {}, () => say({ enteredAt: String(process.hrtime.bigint()) }));
const app = await openApp(await receiveOrders<Place>(), [noop]);
await app.run();
say("working");
process.on("disconnect", () => void app.stop({ graceMs: 0 }).finally(() => process.exit()));
