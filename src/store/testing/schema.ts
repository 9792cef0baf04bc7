import { setImmediate } from "node:timers/promises";
import { expect } from "vitest";
import type { Suite } from "./harness.ts";
import { persistently, until } from "./scene.ts";

export function testSchema(suite: Suite): void {
  suite.test("a store that is open has nothing left to migrate", async (scene) => {
    expect(await scene.store.migrate()).toEqual([]);
  });

  suite.test(
    "two processes that migrate at once both find it done",
    async (scene) => {
      expect(
        await Promise.all([persistently(() => scene.store.migrate()), persistently(() => suite.second.migrate())]),
      ).toEqual([[], []]);
      expect(suite.second.own.identity).toBe(scene.store.own.identity);
    },
    "second",
  );

  suite.test("there is at least one flush at a time", async (scene) => {
    expect(scene.store.flushLanes).toBeGreaterThanOrEqual(1);
  });

  suite.test("an announcement that nobody hears is no error, and a listener may stop twice", async (scene) => {
    const stop = scene.store.listen(scene.namespace, () => {});
    scene.store.announce(scene.namespace, null);
    scene.store.announce(scene.namespace, (await scene.start()).id);
    stop();
    stop();
    scene.store.announce(scene.namespace, null);
  });

  suite.test(
    "another process hears that there may be work, and which execution has news; not of other namespaces, and not once it stopped",
    async (scene) => {
      const heard = new Set<string | null>();
      const elsewhere: (string | null)[] = [];
      const stop = suite.second.listen(scene.namespace, (execution) => heard.add(execution));
      const stopElsewhere = suite.second.listen(`${scene.namespace}-2`, (execution) => elsewhere.push(execution));
      const { id } = await scene.start();
      // One may be lost: it only costs time.
      await until("both announcements", async () => {
        scene.store.announce(scene.namespace, null);
        scene.store.announce(scene.namespace, id);
        return heard.has(null) && heard.has(id) ? true : undefined;
      });
      expect(heard).toEqual(new Set([null, id]));
      stop();
      heard.clear();
      await until("the listener of another namespace", async () => {
        scene.store.announce(scene.namespace, null);
        scene.store.announce(`${scene.namespace}-2`, null);
        return elsewhere.length > 0 ? true : undefined;
      });
      await setImmediate();
      expect(heard.size).toBe(0);
      expect(new Set(elsewhere)).toEqual(new Set([null]));
      stopElsewhere();
    },
    "push",
  );
}
