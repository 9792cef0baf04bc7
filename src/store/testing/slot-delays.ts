// An execution that is delayed and wants a slot seeks it when its time has come.
import { expect } from "vitest";
import type { NewExecution } from "../../core/store.ts";
import type { Suite } from "./harness.ts";
import { type Scene, until } from "./scene.ts";

const till: Partial<NewExecution> = { concurrencyKey: "till-1", blocking: "serial" };

export function testSlotDelays(suite: Suite): void {
  suite.test("a delayed execution seeks the slot when its time has come, not before", async (scene) => {
    const worker = await scene.worker();
    const delayed = await scene.start({ ...till, delayMs: 1 });
    expect(delayed.status).toBe("waiting");
    expect(await scene.start({ ...till, concurrencyKey: "other" })).toMatchObject({ status: "ready" });
    await promote(scene, delayed.id);
    expect((await scene.claim(worker)).find(({ id }) => id === delayed.id)).toMatchObject({ holdsSlot: true });
    expect(await scene.start(till)).toMatchObject({ status: "waiting" });
  });

  suite.test("it then waits on behind the holder, and is handed the slot", async (scene) => {
    const worker = await scene.worker();
    const delayed = await scene.start({ ...till, delayMs: 1 });
    const holder = await scene.running(worker, till);
    await promote(scene, delayed.id);
    expect(await scene.find(delayed.id)).toMatchObject({ status: "waiting", wakeAt: null });
    await scene.complete(holder, { holdsSlot: true });
    expect(await scene.claimOne(worker)).toMatchObject({ id: delayed.id, holdsSlot: true });
  });

  suite.test("discard-new: it is discarded then, and its parent woken", async (scene) => {
    const worker = await scene.worker();
    const parent = await scene.running(worker);
    await scene.suspend(parent);
    const delayed = await scene.start({ ...till, blocking: "discard-new", delayMs: 1, parent: parent.executionId });
    await scene.running(worker, till);
    await promote(scene, delayed.id);
    expect(await scene.find(delayed.id)).toMatchObject({ status: "discarded", endedAt: expect.any(Number) });
    expect((await scene.find(parent.executionId)).status).toBe("ready");
  });

  suite.test("replace-running: it replaces then", async (scene) => {
    const worker = await scene.worker();
    const delayed = await scene.start({ ...till, blocking: "replace-running", delayMs: 1 });
    const holder = await scene.running(worker, till);
    const other = await scene.start(till);
    await promote(scene, delayed.id);
    expect((await scene.find(holder.executionId)).cancel).toBe("replaced");
    expect((await scene.find(other.id)).status).toBe("discarded");
    expect(await scene.find(delayed.id)).toMatchObject({ status: "waiting", wakeAt: null });
  });
}

/** Asks until the delay has passed and the execution has sought its slot. */
async function promote(scene: Scene, id: string): Promise<void> {
  await until("the delayed execution to seek its slot", async () => {
    await scene.wakeDue();
    const { status, wakeAt } = await scene.find(id);
    return status !== "waiting" || wakeAt === null ? true : undefined;
  });
}
