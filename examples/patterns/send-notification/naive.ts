// The record says "processing" before the mail is sent; nobody takes it over.
import { randomUUID } from "node:crypto";
import type { ShopDb } from "../shop.ts";
import type { Pause } from "../testing/gate.ts";
import type { Mailer, Notice } from "./job.ts";

export async function sendNotification(
  db: ShopDb,
  mailer: Mailer,
  notice: Notice,
  afterInsert?: Pause,
): Promise<"sent" | "in progress" | "already sent"> {
  const record = await db.selectFrom("records").selectAll().where("id", "=", notice.id).executeTakeFirst();
  if (record !== undefined) return record.status === "done" ? "already sent" : "in progress";
  await db.insertInto("records").values({ id: notice.id, status: "processing", taken_at: 0 }).execute();
  await afterInsert?.();
  await mailer.send(notice, randomUUID());
  await db.updateTable("records").set({ status: "done" }).where("id", "=", notice.id).execute();
  return "sent";
}
