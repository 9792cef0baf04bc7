// Our center drives executors made of the published Java library, of two generations of its protocol.

import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type App, makegood } from "makegood";
import { sqlite } from "makegood/sqlite";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { RemoteCall } from "../../src/core/schedule/definition.ts";
import type { Store } from "../../src/core/store.ts";
import { type XxlCenter, xxlCenter } from "../../src/server/xxl-job-center.ts";
import { findLoopbackPort } from "../services/loopback-port.ts";
import { buildJavaExecutor, type JavaExecutor, startJavaExecutor, whyNoJava } from "./java.ts";

const reason = whyNoJava();
const token = "a token of the test's own";

describe.skipIf(reason !== null)(`Java executors${reason === null ? "" : ` (skipped: ${reason})`}`, () => {
  const folder = mkdtempSync(join(tmpdir(), "makegood-java-"));
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  describe.each(["2.4.2", "3.3.2"])("of xxl-job-core %s", (core) => {
    const group = `orders-${core}`;
    let store: Store;
    let app: App;
    let center: XxlCenter;
    let server: Server;
    let admin = "";
    let classPath = "";
    const running: JavaExecutor[] = [];

    const start = async (): Promise<JavaExecutor> => {
      const port = await findLoopbackPort();
      const executor = await startJavaExecutor({ classPath, admin, appname: group, token, port, folder });
      running.push(executor);
      return executor;
    };
    const liveCount = async (): Promise<number> =>
      (await store.executors.list({ namespace: "default", group })).filter(({ isLive }) => isLive).length;
    const order = (more: Partial<RemoteCall>): RemoteCall => ({
      ...{ group, handler: "demoJobHandler", param: "", route: "first", jobId: 1 },
      ...{ block: null, timeoutMs: null, retries: 0 },
      ...more,
    });
    const logOf = async (executionId: string): Promise<string> => {
      const [run] = await store.executors.runsOf(executionId);
      const { lines } = await store.executors.readLog({ logId: run?.logId ?? 0, fromLine: 1, limit: 1_000 });
      return lines.join("\n");
    };

    beforeAll(async () => {
      classPath = await buildJavaExecutor(core, folder);
      store = sqlite(join(folder, `center-${core}.db`));
      app = makegood({ store, poll: "50ms" });
      center = xxlCenter({
        app,
        store,
        groups: { [group]: token },
        scripts: true,
        lookEvery: "200ms",
        lostAfter: "2s",
        registration: "90s",
      });
      server = createServer((request, response) => void center.handle(request, response)).listen(0, "127.0.0.1");
      await once(server, "listening");
      // Its configuration of older versions has a context path in it.
      admin = `http://127.0.0.1:${(server.address() as AddressInfo).port}/xxl-job-admin`;
      await app.run();
      center.start();
    }, 300_000);
    afterAll(async () => {
      for (const executor of running) executor.kill();
      await center?.stop();
      await app?.stop({ graceMs: 0 });
      server?.close();
      server?.closeAllConnections();
    });

    it("register, are sent to, log, call back, shard, fail, are killed, and leave", async () => {
      const one = await start();
      await expect.poll(liveCount, { timeout: 20_000 }).toBe(1);

      const demo = await app.start(center.dispatch, order({ param: "A-17" }));
      expect(await demo.result()).toMatchObject({ attempts: 1, message: expect.stringContaining("done by Java") });
      expect(one.effects()).toEqual(["A-17\t0/1"]);
      await expect.poll(() => logOf(demo.id), { timeout: 10_000 }).toMatch(/begins with A-17[\s\S]*ends/);

      const failing = await app.start(center.dispatch, order({ handler: "failJobHandler", retries: 1 }));
      expect(await failing.outcome()).toMatchObject({
        state: "failed",
        error: { code: "RUN_FAILED", message: expect.stringContaining("refused on purpose") },
      });
      expect((await store.executors.runsOf(failing.id)).map(({ state, code }) => [state, code])).toEqual([
        ["failed", 500],
        ["failed", 500],
      ]);

      const unknown = await app.start(center.dispatch, order({ handler: "nobody" }));
      expect(await unknown.outcome()).toMatchObject({ error: { code: "RUN_REFUSED" } });

      const slow = await app.start(center.dispatch, order({ handler: "sleepJobHandler", param: "60", jobId: 2 }));
      await expect.poll(async () => (await store.executors.runsOf(slow.id))[0]?.state).toBe("running");
      await app.kill(slow.id);
      await expect.poll(() => one.effects().at(-1), { timeout: 10_000 }).toBe("interrupted");
      await expect.poll(async () => (await store.executors.runsOf(slow.id))[0]?.state).toBe("killed");

      const timed = await app.start(
        center.dispatch,
        order({ handler: "sleepJobHandler", param: "60", timeoutMs: 1_000, jobId: 3 }),
      );
      expect(await timed.outcome()).toMatchObject({ error: { code: "RUN_TIMED_OUT" } });

      // Told apart by the time of their last change alone.
      const file = join(folder, `script-${core}.txt`);
      const shell = (source: string, at: number): Partial<RemoteCall> => ({
        ...{ handler: "", param: "A-17", jobId: 6 },
        script: { type: "GLUE_SHELL", source, updatedAt: 1_790_000_000_000 + at * 1_000 },
      });
      const script = await app.start(
        center.dispatch,
        order(shell(`echo "begins with $1"\necho "$1 $2/$3" >> '${file}'\n`, 0)),
      );
      expect(await script.outcome()).toMatchObject({ state: "completed" });
      await expect.poll(() => logOf(script.id), { timeout: 10_000 }).toContain("begins with A-17");
      const edited = await app.start(center.dispatch, order(shell(`echo edited >> '${file}'\n`, 1)));
      expect(await edited.outcome()).toMatchObject({ state: "completed" });
      expect(readFileSync(file, "utf8")).toBe("A-17 0/1\nedited\n");
      const wrong = await app.start(center.dispatch, order(shell("exit 3\n", 2)));
      expect(await wrong.outcome()).toMatchObject({
        error: { code: "RUN_FAILED", message: expect.stringContaining("exit value(3)") },
      });

      const two = await start();
      await expect.poll(liveCount, { timeout: 20_000 }).toBe(2);
      const all = await app.start(center.dispatch, order({ route: "broadcast", param: "all", jobId: 4 }));
      expect((await all.result()).shards).toHaveLength(2);
      expect([...one.effects(), ...two.effects()].filter((it) => it.startsWith("all")).sort()).toEqual([
        "all\t0/2",
        "all\t1/2",
      ]);

      await two.stop();
      await expect.poll(liveCount, { timeout: 20_000 }).toBe(1);

      // Dies under way: nobody will ever report this run.
      const lost = await app.start(center.dispatch, order({ handler: "sleepJobHandler", param: "60", jobId: 5 }));
      await expect.poll(async () => (await store.executors.runsOf(lost.id))[0]?.state).toBe("running");
      one.kill();
      const [row] = await store.executors.list({ namespace: "default", group });
      await store.executors.unregister({ namespace: "default", group, address: row?.address ?? "" });
      expect(await lost.outcome()).toMatchObject({ error: { code: "RUN_LOST" } });
    }, 120_000);
  });
});
