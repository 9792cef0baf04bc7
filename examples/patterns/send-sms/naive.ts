// SET NX, send, and DEL on whatever error.
import { randomUUID } from "node:crypto";
import type { Pause } from "../testing/gate.ts";
import type { Gateway, Sms } from "./job.ts";

/** What is used of a Redis client. */
export interface Marks {
  set(key: string, value: string, mode: "NX"): Promise<unknown>;
  del(key: string): Promise<unknown>;
}

export async function sendSms(
  marks: Marks,
  gateway: Gateway,
  sms: Sms,
  afterMark?: Pause,
): Promise<"sent" | "skipped"> {
  if ((await marks.set(`sms:${sms.id}`, "1", "NX")) !== "OK") return "skipped";
  await afterMark?.();
  try {
    await gateway.send(sms, randomUUID());
    return "sent";
  } catch (error) {
    await marks.del(`sms:${sms.id}`);
    throw error;
  }
}
