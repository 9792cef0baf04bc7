// Jobs with which nothing is wrong, for the command line.
import { DatabaseSync } from "node:sqlite";
import { job, makegood, participant, stateMachine } from "makegood";
import { nodeSqlite, sqlite } from "makegood/sqlite";

const shop = participant("shop", nodeSqlite(new DatabaseSync(":memory:")));
const order = stateMachine(shop, "order", {
  table: "orders",
  initial: "created",
  states: { created: { on: { pay: "paid" } }, paid: { final: true } },
});

const byMachine = "moved by the machine order, which locks the row";
const pay = job<{ readonly id: string }>(
  "pay",
  { key: ({ id }) => id, checklist: { transitions: byMachine, concurrency: byMachine } },
  async (ctx, { id }) => {
    await ctx.pivot();
    await ctx.tx(shop, "paid", { run: (tx) => order.move(tx, { id, state: "created" }, "pay") });
  },
);

export const app = makegood({ store: sqlite("never-opened.db") });
app.register(pay);
/** Nothing is done with it, so that only its being here is no hindrance. */
export const somethingElse = { register: "no function" };
