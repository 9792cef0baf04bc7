import { openEmbedded } from "../embedded.ts";
import { Provider } from "../provider.ts";
import { insertStock } from "../shop.ts";
import { type Bank, tccOrder } from "./job.ts";
import * as naive from "./naive.ts";

const { db, shop, run, close } = await openEmbedded();
const provider = new Provider();
const bank: Bank = {
  hold: async ({ id }, key) => provider.do(key, `hold ${id}`),
  settle: async ({ id }, key) => provider.do(key, `settle ${id}`),
  release: async ({ id }, holdKey) => provider.undo(holdKey, `hold ${id}`),
};
const show = async (code: string) => {
  const { units, held } = await db.selectFrom("stock").selectAll().where("code", "=", code).executeTakeFirstOrThrow();
  return `${units} cups, ${held} of them frozen`;
};
for (const code of ["cup", "mug"]) await insertStock(db, code, 100);

provider.trouble("settle A-1", "fails", 1).trouble("settle B-1", "fails", 1).trouble("hold B-2", "refused");
const said = await naive.tccOrder(db, bank, { id: "A-1", code: "cup", units: 1, cents: 10 });
console.log(`naive: a confirm fails: ${said}, ${await show("cup")}`);

const ordering = tccOrder(shop, bank);
const app = await run(ordering);
for (const id of ["B-1", "B-2"]) {
  const { state } = await (await app.start(ordering, { id, code: "mug", units: 1, cents: 10 })).outcome();
  console.log(`makegood: ${id === "B-1" ? "a confirm fails" : "a hold is refused"}: ${state}, ${await show("mug")}`);
}
await close();
