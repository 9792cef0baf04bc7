// Our executor under our center: both halves of the protocol, over HTTP.

import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { job, makegood } from "makegood";
import { sqlite } from "makegood/sqlite";
import { xxlCenter, xxlExecutor, xxlHandler } from "makegood/xxl-job";
import { expect, it } from "vitest";
import * as z from "zod";

const Order = z.object({ id: z.string() });

it("our executor under our center runs a job of the engine and a function, and its log is kept by the center", async () => {
  const folder = mkdtempSync(join(tmpdir(), "makegood-both-"));
  const groups = { orders: "the-tests-own-token" };
  const store = sqlite(join(folder, "center.db"));
  const centerApp = makegood({ store, poll: "20ms" });
  const center = xxlCenter({ app: centerApp, store, groups, lookEvery: "100ms" });
  const server = createServer((request, response) => void center.handle(request, response)).listen(0, "127.0.0.1");
  await once(server, "listening");
  await centerApp.run();
  center.start();

  let charged = 0;
  const charge = job("charge", { input: Order, key: ({ id }) => id }, async (ctx, { id }) => {
    await ctx.step("charge", { run: () => void charged++, irreversible: "a test" });
    ctx.log.info({}, `charged ${id}`);
    return `charged ${id}`;
  });
  const executorApp = makegood({ store: sqlite(join(folder, "executor.db")), poll: "20ms" });
  executorApp.register(charge);
  const executor = xxlExecutor({
    admins: [`http://127.0.0.1:${(server.address() as AddressInfo).port}/xxl-job-admin`],
    appname: "orders",
    accessToken: groups.orders,
    port: 0,
    folder: join(folder, "executor"),
    jobs: {
      chargeJob: xxlHandler(charge, ({ param }) => ({ id: param })),
      fail: xxlHandler(async () => {
        throw new Error("refused on purpose");
      }),
    },
  });
  await executor.start(executorApp);
  await executorApp.run();
  try {
    await expect.poll(async () => (await store.executors.list({ namespace: "default" })).length).toBe(1);
    const order = { group: "orders", route: "round", block: null, timeoutMs: null, retries: 0 } as const;
    const done = await centerApp.start(center.dispatch, { ...order, handler: "chargeJob", param: "A-17" });
    expect(await done.result()).toMatchObject({ message: "charged A-17", attempts: 1 });
    // Another order for the same business key: one effect.
    const again = await centerApp.start(center.dispatch, { ...order, handler: "chargeJob", param: "A-17" });
    expect(await again.result()).toMatchObject({ message: "charged A-17" });
    expect(charged).toBe(1);
    const failed = await centerApp.start(center.dispatch, { ...order, handler: "fail", param: "", retries: 1 });
    expect(await failed.outcome()).toMatchObject({
      error: { code: "RUN_FAILED", message: expect.stringContaining("refused on purpose") },
    });
    expect(await store.executors.runsOf(failed.id)).toHaveLength(2);
    const [run] = await store.executors.runsOf(done.id);
    await expect
      .poll(async () =>
        (await store.executors.readLog({ logId: run?.logId ?? 0, fromLine: 1, limit: 100 })).lines.join("\n"),
      )
      .toContain("charged A-17");
  } finally {
    await executor.stop();
    await executorApp.stop({ graceMs: 0 });
    await center.stop();
    await centerApp.stop({ graceMs: 0 });
    server.close();
    server.closeAllConnections();
    rmSync(folder, { recursive: true, force: true });
  }
}, 30_000);
