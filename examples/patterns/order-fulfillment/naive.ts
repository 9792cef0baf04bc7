// Sub-state and state are two columns, and two updates.
import type { ShopDb } from "../shop.ts";
import type { Pause } from "../testing/gate.ts";

const steps: Readonly<Record<string, readonly [from: string, to: string]>> = {
  pick: ["wait-pick", "picking"],
  picked: ["picking", "wait-pack"],
  pack: ["wait-pack", "packing"],
  packed: ["packing", "ready"],
};

export async function takeScan(db: ShopDb, id: string, event: string, between?: Pause): Promise<"moved" | "illegal"> {
  const [from, to] = steps[event] ?? ["", ""];
  const { numUpdatedRows } = await db
    .updateTable("orders")
    .set({ sub_state: to })
    .where("id", "=", id)
    .where("sub_state", "=", from)
    .executeTakeFirst();
  if (numUpdatedRows !== 1n) return "illegal";
  await between?.();
  if (to === "ready") await db.updateTable("orders").set({ state: "wait-deliver" }).where("id", "=", id).execute();
  return "moved";
}
