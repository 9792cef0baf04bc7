import { job, onMessage } from "makegood";
import { expect, it } from "vitest";
import * as z from "zod";
import { Provider } from "../provider.ts";
import { note, noted } from "../shop.ts";
import { crashEverywhere, until } from "../testing/crash.ts";
import { grave } from "../testing/gate.ts";
import { describeWorlds } from "../testing/worlds.ts";
import { placeOrder, raiseAlarm, rollbackFailed } from "./job.ts";
import * as naive from "./naive.ts";

describeWorlds(
  "rollback-with-fallback",
  (world) => {
    const tasksOf = async (id: string) =>
      (await world.db.selectFrom("manual_tasks").selectAll().where("id", "=", id).execute()).length;

    it("naive: any subset of the three can be missing", async () => {
      const found: string[] = [];
      for (const sink of ["task", "alarm", "deadLetter"] as const) {
        const told: string[] = [];
        const { reached, pass } = grave();
        void naive.handOver(naive.sinksOn(world.db, told, sink), { [sink]: pass });
        await reached;
        found.push(`${await tasksOf(sink)} ${told.join()}`);
      }
      const failing = { ...naive.sinksOn(world.db, [], "A-1"), task: () => Promise.reject(new Error("no database")) };
      await naive.handOver(failing);
      expect([...found, await tasksOf("A-1")]).toEqual(["0 ", "1 ", "1 alarm", 0]);
    });

    const setUp = () => {
      const provider = new Provider();
      const placing = placeOrder(
        world.shop,
        world.db,
        {
          pay: async (id, key) => provider.do(key, `pay ${id}`),
          payBack: async (id, paymentKey) => provider.undo(paymentKey, `pay ${id}`),
        },
        { ship: async (id, key) => provider.do(key, `ship ${id}`) },
      );
      const alarm = raiseAlarm({ page: async (text, key) => provider.do(key, text) });
      const file = job(
        "file-dead-letter",
        { input: z.object({ id: z.string(), why: z.string() }), on: [onMessage(rollbackFailed)] },
        async (ctx, { id }) => {
          await ctx.tx(world.shop, "file", { run: (tx) => note(tx, "dead letter", id), irreversible: "a letter" });
        },
      );
      const alarms = (id: string) => [...provider.effects.values()].filter((what) => what.startsWith(`order ${id} is`));
      return { provider, placing, jobs: [placing, alarm, file], alarms };
    };

    it("killed at any point and asked again, a rollback that fails for good reaches task, alarm and dead letter, once each", async () => {
      const { provider, placing, jobs, alarms } = setUp();
      await crashEverywhere(world, {
        jobs,
        prepare: async (id) => {
          provider.trouble(`ship ${id}`, "refused").trouble(`undo pay ${id}`, "fails");
        },
        act: async (app, id) => {
          await (await app.start(placing, { id })).outcome();
          await until(async () => alarms(id).length > 0 && (await noted(world.db, id)).length > 0);
        },
        check: async (id) => {
          expect(await tasksOf(id)).toBe(1);
          expect(alarms(id)).toEqual([`order ${id} is not rolled back: undo pay ${id}: the service is away`]);
          expect(await noted(world.db, id)).toEqual(["dead letter"]);
        },
      });
    });

    it("a rollback that succeeds at the second attempt tells nobody", async () => {
      const { provider, placing, jobs } = setUp();
      const id = `${world.namespace} A-1`;
      provider.trouble(`ship ${id}`, "refused").trouble(`undo pay ${id}`, "fails", 1);
      const app = await world.run(...jobs);
      expect((await (await app.start(placing, { id })).outcome()).state).toBe("compensated");
      expect([await tasksOf(id), provider.effects.size]).toEqual([0, 0]);
    });
  },
  { hasMessages: true },
);
