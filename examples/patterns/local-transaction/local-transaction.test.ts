import { execFile } from "node:child_process";
import { join } from "node:path";
import { promisify } from "node:util";
import { beforeEach, expect, it } from "vitest";
import { centsOf, insertAccount, insertStock, note, noted, stateOf, unitsOf } from "../shop.ts";
import { crashEverywhere } from "../testing/crash.ts";
import { describeWorlds } from "../testing/worlds.ts";
import type { ChildArguments } from "./dying-child.ts";
import { buy } from "./job.ts";
import * as naive from "./naive.ts";

const order = { id: "A-1", customer: "bob", code: "cup", cents: 10 };

describeWorlds("local-transaction", (world) => {
  beforeEach(async () => {
    await insertAccount(world.db, "bob", 5);
    await insertStock(world.db, "cup", 100);
  });

  it("naive: whoever gets the connection next writes into a transaction that never commits", async () => {
    const pool = world.oneConnection();
    await expect(naive.buy(pool, order)).rejects.toThrow("too little money");
    // Somebody else, whose write is acknowledged.
    await note(pool, "paid", "B-1");
    expect(await noted(pool, "B-1")).toEqual(["paid"]);
    await pool.destroy();
    expect(await noted(world.db, "B-1")).toEqual([]);
  });

  it("what is refused leaves nothing, and its connection to the next one as it was", async () => {
    const job = buy(world.shop);
    const app = await world.run(job);
    const outcome = await (await app.start(job, order)).outcome();
    expect(outcome).toMatchObject({ state: "failed", error: { code: "REFUSED" } });
    expect([await stateOf(world.db, "A-1"), await unitsOf(world.db, "cup")]).toEqual([undefined, 100]);
    await note(world.db, "paid", "B-1");
    const other = world.oneConnection();
    expect(await noted(other, "B-1")).toEqual(["paid"]);
    await other.destroy();
  });

  it("of a process that is killed by SIGKILL between two writes nothing stays, and its successor writes all three", async () => {
    const { db, kind, url, namespace } = world;
    const own = { ...order, id: `${namespace} A-1`, customer: "ann" };
    await insertAccount(db, "ann", 100);
    const child: ChildArguments = { place: { kind, url }, namespace, order: own };
    const files = [join(import.meta.dirname, "../../source.mjs"), join(import.meta.dirname, "dying-child.ts")] as const;
    const flags = ["--disable-warning=ExperimentalWarning", "--import", files[0], files[1]];
    const ended = promisify(execFile)(process.execPath, [...flags, JSON.stringify(child)]);
    await expect(ended).rejects.toMatchObject({ signal: "SIGKILL", stderr: "" });
    const standing = async () => [await stateOf(db, own.id), await unitsOf(db, "cup"), await centsOf(db, "ann")];
    expect(await standing()).toEqual([undefined, 100, 100]);
    const job = buy(world.shop);
    const app = await world.run(job);
    expect((await app.list({ job: job.name })).length).toBe(1);
    await (await app.start(job, own)).result();
    expect(await standing()).toEqual(["paid", 99, 90]);
  });

  it("killed at any point and asked again, all three writes are there once", async () => {
    const job = buy(world.shop);
    await crashEverywhere(world, {
      jobs: [job],
      prepare: async (id) => {
        await insertAccount(world.db, id, 100);
        await insertStock(world.db, id, 100);
      },
      act: async (app, id) => (await app.start(job, { id, customer: id, code: id, cents: 10 })).result(),
      check: async (id) =>
        expect([await stateOf(world.db, id), await unitsOf(world.db, id), await centsOf(world.db, id)]).toEqual([
          ...["paid", 99, 90],
        ]),
    });
  });
});
