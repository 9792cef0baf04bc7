/**
 * A step that kills its process must not do so for ever: the execution is parked, and goes on when the code is mended.
 *
 * Faults F22, F26, F27; guarantees G6, G11, G12.
 */

import { makegood } from "makegood";
import { expect, it } from "vitest";
import { describeWorlds } from "./support/places.ts";
import type { PoisonArguments } from "./support/poison-child.ts";
import { makeNursery } from "./support/processes.ts";
import { openWorld } from "./support/world.ts";

const maxLives = 20;

describeWorlds("a step that kills its process", (newPlace) => {
  const { start } = makeNursery<PoisonArguments>("./poison-child.ts");

  it("is parked after five take-overs without progress, and completes when the code is mended", async () => {
    const place = newPlace();
    const world = await openWorld(place);
    const app = makegood({ store: world.store, namespace: place.name });
    try {
      let deaths = 0;
      let said = "";
      for (; deaths < maxLives && said === ""; ) {
        const child = start({ place, isMended: false });
        if ((await child.exit).signal === "SIGKILL") deaths++;
        else said = child.lines[0] ?? "nothing";
      }
      expect(JSON.parse(said)).toMatchObject({ state: "parked" });
      // The first owner, and five that took over from it.
      expect(deaths).toBe(6);
      const [incident] = await app.incidents();
      expect(incident).toMatchObject({ code: "NO_PROGRESS" });
      await app.resume(incident?.executionId ?? "", { actor: { kind: "user", id: "ann" }, note: "mended" });
      const mended = start({ place, isMended: true });
      expect((await mended.exit).code).toBe(0);
      expect(JSON.parse(mended.lines[0] ?? "")).toMatchObject({ id: incident?.executionId, state: "completed" });
      expect(world.provider.effects().map(({ what }) => what)).toEqual(["first", "explodes"]);
      expect(await app.incidents()).toEqual([]);
    } finally {
      await app.stop();
      await world.close();
    }
  });
});
