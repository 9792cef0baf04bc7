/**
 * A process that moves a row into a state with work dies by SIGKILL at any point, between the move's commit and the relay
 * of its start too. The row is in a database other than the engine's: the work is done once, and moves the row on once.
 *
 * Fault F1; guarantee G10.
 */
import { job } from "makegood";
import { expect, it } from "vitest";
import { makegood } from "../../src/makegood.ts";
import type { MachineArguments } from "./support/machine-child.ts";
import { makeParcel, movesIn, stateIn, workOfPicking } from "./support/parcel.ts";
import { describeWorlds } from "./support/places.ts";
import { makeNursery } from "./support/processes.ts";
import { isThorough } from "./support/thorough.ts";
import { openWorld, type World } from "./support/world.ts";

describeWorlds("a machine that drives itself in another database, and is killed", (newPlace, kind) => {
  const nursery = makeNursery<MachineArguments>("./machine-child.ts");

  it(
    "at any point does the work of a state once",
    async () => {
      const step = isThorough ? 1 : kind === "sqlite" ? 7 : 29;
      let points = 1;
      for (let isThrough = false; !isThrough; points += step) isThrough = await liveThrough(points);
      expect(points).toBeGreaterThan(40);
    },
    isThorough ? 1_800_000 : 240_000,
  );

  it("after the move's commit, before anybody relayed the start, leaves the work to another process", async () => {
    await inWorld(async (world) => {
      const { place } = world;
      const mover = nursery.start({ place, deadly: null, onlyMoves: true });
      await mover.said("moved");
      mover.kill("SIGKILL");
      await mover.exit;
      expect(await stateIn(world)).toBe("picking");
      expect(await world.far.effects()).toEqual([]);
      await nursery.start({ place, deadly: null }).said("done");
      await expectDoneOnce(world, "after the move");
    });
  }, 60_000);

  /** True: it came through without dying. */
  function liveThrough(deadlyPoint: number): Promise<boolean> {
    return inWorld(async (world) => {
      const { place } = world;
      const first = nursery.start({ place, deadly: { n: deadlyPoint } });
      const { signal } = await first.exit;
      expect([null, "SIGKILL"], first.errors()).toContain(signal);
      if (signal !== null) await nursery.start({ place, deadly: null }).said("done");
      await expectDoneOnce(world, first.lines.join(" "));
      return signal === null;
    });
  }

  async function inWorld<R>(use: (world: World) => Promise<R>): Promise<R> {
    const world = await openWorld(newPlace());
    try {
      await makeParcel(world);
      return await use(world);
    } finally {
      await world.close();
    }
  }
});

async function expectDoneOnce(world: World, where: string): Promise<void> {
  const moves = await movesIn(
    world,
    job<string>("pick", {}, async () => {}),
  );
  expect(
    moves.map(({ event, by }) => [event, by]),
    where,
  ).toEqual([
    ["order", null],
    ["picked", "job pick"],
  ]);
  expect(
    (await world.far.effects()).map(({ what }) => what),
    where,
  ).toEqual(["pick"]);
  const app = makegood({ store: world.store, namespace: world.place.name, participants: [world.far.on] });
  expect(await app.list({ job: workOfPicking }), where).toMatchObject([{ state: "completed" }]);
  expect(await app.messages.stuck(), where).toEqual([]);
  await app.stop();
}
