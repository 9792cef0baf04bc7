import { expect, it } from "vitest";
import { Provider } from "../provider.ts";
import { crashEverywhere } from "../testing/crash.ts";
import { grave, type Pause } from "../testing/gate.ts";
import { describeWorlds } from "../testing/worlds.ts";
import { placeOrder, type Service } from "./job.ts";
import * as naive from "./naive.ts";

const names = ["stock", "coupon", "balance"];

/** Three services, each with keys of its own. `onBalance`: what the last one waits for. */
const servicesOf = (provider: Provider, onBalance?: Pause): Service[] =>
  names.map((name) => ({
    name,
    async do(id, key) {
      if (name === "balance") await onBalance?.();
      return provider.do(`${name} ${key}`, `${name} ${id}`);
    },
    undo: async (id, actionKey) => provider.undo(`${name} ${actionKey}`, `${name} ${id}`),
  }));
const effectsOf = (provider: Provider, id: string) =>
  [...provider.effects.values()].filter((what) => what.endsWith(` ${id}`));

describeWorlds("distributed-rollback", (world) => {
  it("naive: a step that timed out is not undone", async () => {
    const provider = new Provider().trouble("balance A-1", "answer-lost");
    expect(await naive.placeOrder(servicesOf(provider), "A-1")).toBe("rolled back");
    expect(effectsOf(provider, "A-1")).toEqual(["balance A-1"]);
  });

  it("naive: the list is lost in a crash", async () => {
    const provider = new Provider();
    const { reached, pass } = grave();
    void naive.placeOrder(servicesOf(provider, pass), "A-1");
    await reached;
    expect(effectsOf(provider, "A-1")).toEqual(["stock A-1", "coupon A-1"]);
  });

  it("naive: the first failing undo stops the rest", async () => {
    const provider = new Provider().trouble("balance A-1", "refused").trouble("undo coupon A-1", "fails", 1);
    await expect(naive.placeOrder(servicesOf(provider), "A-1")).rejects.toThrow("undo coupon");
    expect(effectsOf(provider, "A-1")).toEqual(["stock A-1", "coupon A-1"]);
  });

  it("killed at any point and asked again, with an answer lost and an undo that fails, nothing is left", async () => {
    const provider = new Provider();
    const job = placeOrder(servicesOf(provider));
    const deaths = await crashEverywhere(world, {
      jobs: [job],
      prepare: async (id) => {
        provider.trouble(`balance ${id}`, "answer-lost").trouble(`undo coupon ${id}`, "fails", 1);
      },
      act: async (app, id) => expect((await (await app.start(job, { id })).outcome()).state).toBe("compensated"),
      check: (id) => expect(effectsOf(provider, id)).toEqual([]),
    });
    expect(deaths).toBeGreaterThan(1);
    const undone = provider.calls.filter((call) => call.startsWith("undo") && call.endsWith(`${world.namespace}-1`));
    expect([...new Set(undone)]).toEqual(
      ["balance", "coupon", "stock"].map((name) => `undo ${name} ${world.namespace}-1`),
    );
  });

  it("an undo that fails for good stands in the incidents, and the rest follows when it has been put right", async () => {
    const provider = new Provider().trouble("balance A-1", "refused").trouble("undo coupon A-1", "fails");
    const job = placeOrder(servicesOf(provider));
    const app = await world.run(job);
    const execution = await app.start(job, { id: "A-1" });
    expect((await execution.outcome()).state).toBe("parked");
    const [incident] = await app.incidents();
    expect(incident).toMatchObject({ executionId: execution.id });
    provider.trouble("undo coupon A-1", "fails", 0);
    await app.retry(execution.id);
    await expect.poll(async () => (await app.find(execution.id))?.state).toBe("compensated");
    expect(effectsOf(provider, "A-1")).toEqual([]);
  });
});
