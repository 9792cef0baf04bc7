// A job written for the engine, triggered by an XXL-JOB admin.
import { join } from "node:path";
import { type AnyJob, type App, job, makegood, NonRetryableError, signal } from "makegood";
import { sqlite } from "makegood/sqlite";
import { xxlHandler } from "makegood/xxl-job";
import { describe, expect, it, vi } from "vitest";
import * as z from "zod";
import { atEnd, newFolder, silent, startScene } from "./scene.ts";

function newApp(folder: string, ...jobs: readonly AnyJob[]): App {
  const app = makegood({ store: sqlite(join(folder, "engine.db")), workerName: "one", poll: "50ms", log: silent });
  app.register(...jobs);
  atEnd(() => app.stop({ graceMs: 0 }));
  return app;
}

const Order = z.object({ id: z.string() });
const go = signal("go");

/** A job that waits until it is told to go, with a list of what happened. */
function waitingJob() {
  const happened: string[] = [];
  const place = job("place", { input: Order, key: ({ id }) => id }, async (ctx, { id }) => {
    ctx.log.info({ id }, "begins");
    await ctx.step("take", {
      run: () => void happened.push(`take ${id}`),
      compensate: () => void happened.push(`give ${id}`),
    });
    await ctx.waitFor(go);
    await ctx.pivot();
    await ctx.waitFor(go, { name: "again" });
    ctx.log.info({}, "ends");
    return { id };
  });
  return { place, happened };
}

async function jobScene(defined: AnyJob, options: { readonly ifFailed?: "restart" | "return" } = {}) {
  const folder = newFolder();
  const app = newApp(folder, defined);
  const handler = xxlHandler(
    defined,
    ({ param, shardIndex, shardTotal }) => ({ id: param, shardIndex, shardTotal }),
    options,
  );
  const scene = await startScene({ folder, app, jobs: { echo: handler } });
  await app.run();
  return { ...scene, app };
}

/** Waits until the newest execution is under way, and returns its id. */
async function underWay(app: App): Promise<string> {
  return vi.waitFor(
    async () => {
      const [newest] = await app.list({ limit: 1 });
      if (newest?.state !== "running" && newest?.state !== "waiting")
        throw new Error(`expected an execution under way, found ${newest?.state}`);
      return newest.id;
    },
    { timeout: 10_000, interval: 10 },
  );
}

describe("a job of the engine", () => {
  it("runs unchanged: param and shard become its input, its lines the log, its result the callback", async () => {
    const Shard = z.object({ id: z.string(), shardIndex: z.int(), shardTotal: z.int() });
    const show = job("show", { input: Shard }, async (ctx, input) => {
      ctx.log.info({}, `first line of ${input.id}`);
      await ctx.sleep("a little", 20);
      ctx.log.warn({ at: 2 }, "second");
      return { of: input.shardTotal, shard: input.shardIndex };
    });
    const scene = await jobScene(show);
    await scene.trigger({ logId: 1, executorParams: "A", broadcastIndex: 1, broadcastTotal: 3 });
    expect(await scene.callback(1)).toMatchObject({ handleCode: 200, handleMsg: '{"of":3,"shard":1}' });
    const { logContent } = await scene.log(1);
    expect(logContent.split("\n").map((it) => it.replace(/^\S+ /, ""))).toEqual([
      "INFO  first line of A",
      'WARN  second {"at":2}',
    ]);
  });

  it("is told when the admin triggered what started it, also by a retry's run", async () => {
    const tell = job("tell", { input: Order, key: ({ id }) => id }, async (ctx) => ctx.scheduledAt?.toISOString());
    const scene = await jobScene(tell);
    for (const logId of [1, 2]) {
      await scene.trigger({ logId, executorParams: "A", logDateTime: 1_790_000_000_000 + logId });
      expect((await scene.callback(logId)).handleMsg).toBe("2026-09-21T14:13:20.001Z");
    }
  });

  it("without a key is started once for each logId", async () => {
    let count = 0;
    const tick = job("tick", { input: z.object({ id: z.string() }) }, async () => `tick ${++count}`);
    const scene = await jobScene(tick);
    for (const logId of [1, 1, 2]) await scene.trigger({ logId });
    expect((await scene.callback(1)).handleMsg).toBe("tick 1");
    expect((await scene.callback(2)).handleMsg).toBe("tick 2");
    expect(await scene.app.list()).toHaveLength(2);
  });

  it("takes effect once for a key: another trigger of it waits for the same end", async () => {
    const { place, happened } = waitingJob();
    const scene = await jobScene(place);
    // Of two jobs of the admin, so that they do not wait for each other.
    await scene.trigger({ logId: 1, jobId: 1, executorParams: "A" });
    await scene.trigger({ logId: 2, jobId: 2, executorParams: "A" });
    const id = await underWay(scene.app);
    await vi.waitFor(async () => expect((await scene.log(2)).logContent).toContain(`execution ${id} of the same key`));
    await scene.app.signal(id, go, undefined);
    await scene.app.signal(id, go, undefined);
    for (const logId of [1, 2])
      expect(await scene.callback(logId)).toMatchObject({ handleCode: 200, handleMsg: '{"id":"A"}' });
    await scene.trigger({ logId: 3, executorParams: "A" });
    expect(await scene.callback(3)).toMatchObject({ handleCode: 200, handleMsg: '{"id":"A"}' });
    expect(happened).toEqual(["take A"]);
    expect((await scene.log(2)).logContent).toContain("ends");
  });

  it("is begun anew by the admin's retry when all of it was undone, unless that is not wanted", async () => {
    for (const ifFailed of ["restart", "return"] as const) {
      const happened: string[] = [];
      let isBroken = true;
      const fragile = job("fragile", { input: Order, key: ({ id }) => id }, async (ctx) => {
        await ctx.step("take", { run: () => void happened.push("take"), compensate: () => void happened.push("give") });
        if (isBroken) throw new NonRetryableError("the bank is closed");
        return "fine";
      });
      const scene = await jobScene(fragile, { ifFailed });
      await scene.trigger({ logId: 1, executorParams: "A" });
      expect(await scene.callback(1)).toMatchObject({
        handleCode: 500,
        handleMsg: expect.stringMatching(/^failed, and undone: .*the bank is closed/),
      });
      isBroken = false;
      await scene.trigger({ logId: 2, executorParams: "A" });
      const second = await scene.callback(2);
      expect(second.handleCode).toBe(ifFailed === "restart" ? 200 : 500);
      expect(happened).toEqual(ifFailed === "restart" ? ["take", "give", "take"] : ["take", "give"]);
    }
  });

  it("is turned back by a kill before its pivot, and what it did is undone", async () => {
    const { place, happened } = waitingJob();
    const scene = await jobScene(place);
    await scene.trigger({ logId: 1, executorParams: "A" });
    await vi.waitFor(() => expect(happened).toEqual(["take A"]));
    expect((await scene.kill()).body.code).toBe(200);
    expect(await scene.callback(1)).toMatchObject({
      handleCode: 500,
      handleMsg: "killed while it ran; what it had done is undone",
    });
    expect(happened).toEqual(["take A", "give A"]);
  });

  it("refuses a kill behind its pivot: the admin must not call it failed", async () => {
    const { place, happened } = waitingJob();
    const scene = await jobScene(place);
    await scene.trigger({ logId: 1, executorParams: "A" });
    const id = await underWay(scene.app);
    await scene.app.signal(id, go, undefined);
    await vi.waitFor(async () => expect((await scene.app.find(id))?.phase).toBe("pivoted"));
    expect((await scene.kill()).body).toMatchObject({ code: 500, msg: expect.stringContaining("pivot") });
    await scene.app.signal(id, go, undefined);
    expect(await scene.callback(1)).toMatchObject({ handleCode: 200 });
    expect(happened).toEqual(["take A"]);
  });

  it("is turned back when its time is over, and called back with 502", async () => {
    const { place, happened } = waitingJob();
    const scene = await jobScene(place);
    await scene.trigger({ logId: 1, executorParams: "A", executorTimeout: 1 });
    expect(await scene.callback(1)).toMatchObject({
      handleCode: 502,
      handleMsg: "timed out after 1 s; what it had done is undone",
    });
    expect(happened).toEqual(["take A", "give A"]);
  });

  it("is covered by a later trigger, which begins after it was undone", async () => {
    const { place, happened } = waitingJob();
    const scene = await jobScene(place);
    await scene.trigger({ logId: 1, executorParams: "A" });
    await vi.waitFor(() => expect(happened).toEqual(["take A"]));
    await scene.trigger({ logId: 2, executorParams: "B", executorBlockStrategy: "COVER_EARLY" });
    expect(await scene.callback(1)).toMatchObject({
      handleCode: 500,
      handleMsg: expect.stringContaining("covered by run 2"),
    });
    await vi.waitFor(() => expect(happened).toEqual(["take A", "give A", "take B"]));
  });

  it("that waits for a person is called back with its incident", async () => {
    const stuck = job("stuck", { input: Order, onFailure: "park" }, async (ctx) => {
      await ctx.step("charge", {
        run: () => {
          throw new NonRetryableError("who knows");
        },
      });
    });
    const scene = await jobScene(stuck);
    await scene.trigger({ logId: 1 });
    const [incident] = await vi.waitFor(async () => {
      const found = await scene.app.incidents();
      expect(found).toHaveLength(1);
      return found;
    });
    expect(await scene.callback(1)).toMatchObject({
      handleCode: 500,
      handleMsg: expect.stringContaining(String(incident?.id)),
    });
  });

  it("is called back as failed where the input is wrong, or the key was used for another", async () => {
    const strict = job(
      "strict",
      { input: z.object({ id: z.string().min(1), shardIndex: z.int() }), key: ({ id }) => id },
      async () => "fine",
    );
    const scene = await jobScene(strict);
    await scene.trigger({ logId: 1 });
    expect(await scene.callback(1)).toMatchObject({
      handleCode: 500,
      handleMsg: expect.stringMatching(/^INPUT_INVALID: /),
    });
    await scene.trigger({ logId: 2, executorParams: "A" });
    expect(await scene.callback(2)).toMatchObject({ handleCode: 200 });
    await scene.trigger({ logId: 3, executorParams: "A", broadcastIndex: 1, broadcastTotal: 2 });
    expect(await scene.callback(3)).toMatchObject({
      handleCode: 500,
      handleMsg: expect.stringMatching(/^KEY_INPUT_MISMATCH: /),
    });
  });

  it("goes on when the executor stops, and is called back by the next one", async () => {
    const folder = newFolder();
    const { place, happened } = waitingJob();
    const handler = xxlHandler(place, ({ param }) => ({ id: param }));
    const first = newApp(folder, place);
    const before = await startScene({ folder, app: first, jobs: { echo: handler } });
    await first.run();
    await before.trigger({ logId: 1, executorParams: "A" });
    await vi.waitFor(() => expect(happened).toEqual(["take A"]));
    await before.executor.stop({ grace: "10ms" });
    await first.stop({ graceMs: 0 });
    expect(before.admin.callbacks).toEqual([]);
    const second = newApp(folder, place);
    const after = await startScene({ folder, app: second, admin: before.admin, jobs: { echo: handler } });
    await second.run();
    const id = await underWay(second);
    expect((await after.trigger({ logId: 1, executorParams: "A" })).body.code).toBe(200);
    await second.signal(id, go, undefined);
    await second.signal(id, go, undefined);
    expect(await after.callback(1)).toMatchObject({ handleCode: 200 });
    expect(happened).toEqual(["take A"]);
  });
});

it("an executor with a job among its handlers wants an app", async () => {
  const { place } = waitingJob();
  const handler = xxlHandler(place, ({ param }) => ({ id: param }));
  await expect(startScene({ jobs: { echo: handler } })).rejects.toMatchObject({
    code: "OPTION_INVALID",
    message: expect.stringContaining("expected the app"),
  });
});
