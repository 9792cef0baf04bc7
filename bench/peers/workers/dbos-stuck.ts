// DBOS's process of `recovery` that will be killed: it starts every workflow, which settles its first step and gets stuck in
// the second.
import { DBOS } from "dbos-sdk-5";
import { receiveOrders, say } from "../../child.ts";
import { keepInFlight } from "../../measure.ts";
import { configOf, recovered, type StuckOrders } from "../dbos-recovery.ts";
import { inFlight } from "../sampling.ts";

process.on("disconnect", () => process.exit());
const { url, config, count } = await receiveOrders<StuckOrders>();
let stuckCount = 0;
const workflow = DBOS.registerWorkflow(
  async () => {
    await DBOS.runStep(async () => 1, { name: "one" });
    const getStuck = (): Promise<number> => {
      if (++stuckCount === count) say("all are stuck");
      return new Promise(() => undefined);
    };
    return DBOS.runStep(getStuck, { name: "two" });
  },
  { name: recovered },
);
DBOS.setConfig(configOf(url, config));
await DBOS.launch();
await keepInFlight(inFlight.workflows, count, () => DBOS.startWorkflow(workflow)());
