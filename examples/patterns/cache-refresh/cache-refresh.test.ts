import { expect, it } from "vitest";
import { crashEverywhere, until } from "../testing/crash.ts";
import { gate } from "../testing/gate.ts";
import { describeWorlds } from "../testing/worlds.ts";
import { readPrice, readRow, refreshCache, setPrice, VersionedCache } from "./job.ts";
import * as naive from "./naive.ts";

describeWorlds(
  "cache-refresh",
  (world) => {
    const insertProduct = (code: string) =>
      world.db.insertInto("products").values({ code, cents: 1, version: 1 }).execute();

    it("naive: written inside the transaction, the cache keeps a price that was rolled back", async () => {
      const cache: naive.Cache = new Map();
      await insertProduct("cup");
      const crash = () => Promise.reject(new Error("crash"));
      await expect(naive.writeInside(world.db, cache, "cup", 2, crash)).rejects.toThrow("crash");
      expect([await naive.readPrice(world.db, cache, "cup"), (await readRow(world.db, "cup")).cents]).toEqual([2, 1]);
    });

    it("naive: emptied before the commit, a reader fills it with the old price", async () => {
      const cache: naive.Cache = new Map([["cup", 1]]);
      await insertProduct("cup");
      const reader = world.oneConnection();
      const { reached, pass, open } = gate();
      const writing = naive.emptyBefore(world.db, cache, "cup", 2, pass);
      await reached;
      await naive.readPrice(reader, cache, "cup");
      open();
      await writing;
      await reader.destroy();
      expect([await naive.readPrice(world.db, cache, "cup"), (await readRow(world.db, "cup")).cents]).toEqual([1, 2]);
    });

    it("naive: refreshed out of order, it keeps the older price", async () => {
      const cache: naive.Cache = new Map();
      await insertProduct("cup");
      const { reached, pass, open } = gate();
      const first = naive.writeAfter(world.db, cache, "cup", 2, pass);
      await reached;
      await naive.writeAfter(world.db, cache, "cup", 3);
      open();
      await first;
      expect([await naive.readPrice(world.db, cache, "cup"), (await readRow(world.db, "cup")).cents]).toEqual([2, 3]);
    });

    it("what was read before the change and is put in after it is refused, and so is news out of order", async () => {
      const { db, shop } = world;
      const cache = new VersionedCache();
      const code = `${world.namespace} cup`;
      await insertProduct(code);
      const early = await readRow(db, code);
      const [pricing, refreshing] = [setPrice(shop), refreshCache(cache)];
      const app = await world.run(pricing, refreshing);
      await (await app.start(pricing, { changeId: code, code, cents: 2 })).result();
      // As a slow reader would, again and again: once the news is here, it is refused.
      await until(() => {
        cache.put(code, early);
        return cache.get(code) === undefined;
      });
      expect(await readPrice(db, cache, code)).toBe(2);
      cache.raise(code, 1);
      expect(cache.get(code)).toMatchObject({ cents: 2 });
    });

    it("killed at any point and asked again, the cache tells what the row says", async () => {
      const { db, shop } = world;
      const cache = new VersionedCache();
      const [pricing, refreshing] = [setPrice(shop), refreshCache(cache)];
      await crashEverywhere(world, {
        jobs: [pricing, refreshing],
        prepare: async (code) => {
          await insertProduct(code);
          await readPrice(db, cache, code);
        },
        act: async (app, code) => {
          const change = async (cents: number) =>
            (await app.start(pricing, { changeId: `${code} ${cents}`, code, cents })).result();
          await Promise.all([change(2), change(3)]);
          const { version } = await readRow(db, code);
          await until(() => (cache.get(code)?.version ?? version) >= version);
        },
        check: async (code) => {
          const row = await readRow(db, code);
          expect([row.version, await readPrice(db, cache, code)]).toEqual([3, row.cents]);
        },
      });
    });
  },
  { hasMessages: true },
);
