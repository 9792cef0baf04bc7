// A server that is restarted while thirty transactions are at work on it.
import { randomUUID } from "node:crypto";
import { setTimeout as delay } from "node:timers/promises";
import { expect, it } from "vitest";
import { participant } from "../../src/participant/participant.ts";
import type { OpenClient } from "./server-client.ts";

export interface RestartedServer {
  readonly url: () => string;
  readonly restart: () => Promise<void>;
  readonly prepare: (url: string) => Promise<{
    readonly countEffects: (note: string) => Promise<number>;
    readonly close: () => Promise<void>;
  }>;
}

export function testRestart<Tx>(name: string, { url, restart, prepare }: RestartedServer, open: OpenClient<Tx>): void {
  it(`loses nothing, doubles nothing and goes on, with ${name}`, async () => {
    const { adapter, insertEffect, close } = await open(url());
    const orders = participant("orders", adapter);
    await (await prepare(url())).close();
    await orders.migrate();
    const notes = Array.from({ length: 30 }, () => randomUUID());
    let restarting: Promise<void> | undefined;
    const runToEnd = async (note: string): Promise<void> => {
      for (let tried = 0; tried < 1_000; tried++) {
        const outcome = await orders.port.act({ gid: note, branch: "b", round: 0 }, "action", async (tx) => {
          await insertEffect(tx as Tx, note);
          if (note === notes[5]) restarting ??= restart();
          return null;
        });
        if (outcome.kind === "ran" || outcome.kind === "stored") return;
        await delay(20);
      }
      throw new Error("Expected the action to come to an end.");
    };
    await Promise.all(notes.map(runToEnd));
    await restarting;
    const databases = await prepare(url());
    for (const note of notes) expect(await databases.countEffects(note)).toBe(1);
    await close();
    await databases.close();
  }, 120_000);
}
