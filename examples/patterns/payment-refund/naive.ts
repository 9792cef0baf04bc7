// Insert-or-update as a claim, and a take-over after a time-out without a fence.
import { randomUUID } from "node:crypto";
import type { ShopDb } from "../shop.ts";
import type { Pause } from "../testing/gate.ts";
import type { Bank } from "./job.ts";

const timeOut = 30;

interface Run {
  readonly now: number;
  readonly afterCheck?: Pause;
  readonly afterClaim?: Pause;
}

export async function refund(db: ShopDb, bank: Bank, id: string, run: Run): Promise<"refunded" | "skipped"> {
  const record = await db.selectFrom("records").selectAll().where("id", "=", id).executeTakeFirst();
  if (record?.status === "done") return "skipped";
  if (record !== undefined && run.now - record.taken_at < timeOut) return "skipped";
  await run.afterCheck?.();
  await insertOrUpdate(db, { id, status: "processing", taken_at: run.now });
  await run.afterClaim?.();
  await bank.refund(id, randomUUID());
  await db.updateTable("records").set({ status: "done" }).where("id", "=", id).execute();
  return "refunded";
}

async function insertOrUpdate(db: ShopDb, row: { id: string; status: string; taken_at: number }): Promise<void> {
  const { numUpdatedRows } = await db.updateTable("records").set(row).where("id", "=", row.id).executeTakeFirst();
  if (numUpdatedRows === 0n) await db.insertInto("records").values(row).execute();
}
