import { setTimeout as delay } from "node:timers/promises";

export async function until(isSo: () => Promise<boolean>): Promise<void> {
  for (let tried = 0; tried < 1_000; tried++) {
    if (await isSo()) return;
    await delay(10);
  }
  throw new Error("Expected it to come about within ten seconds.");
}
