import fc from "fast-check";
import { expect, test } from "vitest";
import { planKills } from "./kill-plan.ts";

test("kills are spread evenly over the work", () => {
  expect(planKills({ kills: 4, movementCount: 1000, isParallel: false }).strikes).toEqual([200, 400, 600, 800]);
});

test("with ample work between two kills nothing is slowed", () => {
  expect(planKills({ kills: 20, movementCount: 31_520, isParallel: false })).toMatchObject({
    paceMs: 0,
    concurrency: 64,
  });
});

test("more kills than movements strike several times at the same one", () => {
  const { strikes, concurrency, paceMs } = planKills({ kills: 5, movementCount: 2, isParallel: true });
  expect(strikes).toEqual([1, 1, 1, 1, 2]);
  expect({ concurrency, paceMs }).toEqual({ concurrency: 1, paceMs: 20 });
});

test("without kills or without work there is nothing to plan", () => {
  expect(planKills({ kills: 0, movementCount: 10, isParallel: false })).toMatchObject({ strikes: [], paceMs: 0 });
  expect(planKills({ kills: 5, movementCount: 0, isParallel: false }).strikes).toEqual([]);
});

test("every kill has its turn while work is left, for any amount of work", () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 1000 }),
      fc.integer({ min: 1, max: 50_000 }),
      fc.boolean(),
      (kills, movementCount, isParallel) => {
        const { strikes, concurrency, paceMs } = planKills({ kills, movementCount, isParallel });
        expect(strikes).toHaveLength(kills);
        expect(strikes).toEqual(strikes.toSorted((a, b) => a - b));
        expect(strikes[0]).toBeGreaterThanOrEqual(1);
        expect(strikes.at(-1)).toBeLessThanOrEqual(movementCount);
        expect(concurrency).toBeGreaterThanOrEqual(1);
        expect(concurrency).toBeLessThanOrEqual(64);
        expect(paceMs).toBeLessThanOrEqual(20);
      },
    ),
  );
});
