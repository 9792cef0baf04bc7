import fc from "fast-check";
import { expect, it } from "vitest";
import { ChurningMap } from "./churning-map.ts";

it("answers as a Map does", () => {
  const key = fc.constantFrom("a", "b", "c", "d");
  const step = fc.oneof(
    fc.tuple(fc.constant("set" as const), key, fc.nat()),
    fc.tuple(fc.constant("delete" as const), key, fc.nat()),
    fc.tuple(fc.constant("clear" as const), key, fc.nat()),
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const plain = new Map<string, number>();
      const churning = new ChurningMap<number>();
      for (const [verb, name, value] of steps) {
        if (verb === "set") {
          plain.set(name, value);
          churning.set(name, value);
        } else if (verb === "delete") {
          plain.delete(name);
          churning.delete(name);
        } else if (value % 10 === 0) {
          plain.clear();
          churning.clear();
        }
        expect([churning.size, churning.has(name), churning.get(name)]).toEqual([
          plain.size,
          plain.has(name),
          plain.get(name),
        ]);
        expect(churning.keys()).toEqual([...plain.keys()]);
        expect(churning.values()).toEqual([...plain.values()]);
      }
    }),
  );
});
