import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { createIdSource, isUuid, uuidV7 } from "./ids.ts";

const bytes = (count: number): Uint8Array => new Uint8Array(count).fill(0xff);

describe("ids", () => {
  it("are UUIDs of version 7 that carry the time", () => {
    const id = uuidV7(0x0198_c0de_1234, bytes(10));
    expect(id).toBe("0198c0de-1234-7fff-bfff-ffffffffffff");
    expect(isUuid(id)).toBe(true);
  });

  it("rise in the order in which they were asked for, whatever the clock does", () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: 2 ** 45 }), { minLength: 2, maxLength: 50 }), (times) => {
        let at = 0;
        const next = createIdSource(() => times[at++] ?? 0, bytes);
        const ids = times.map(() => next());
        expect([...ids].sort()).toEqual(ids);
        expect(new Set(ids).size).toBe(ids.length);
      }),
    );
  });

  it("stay distinct and rising beyond 4,096 in a millisecond", () => {
    const next = createIdSource(() => 5, bytes);
    const ids = Array.from({ length: 10_000 }, next);
    expect([...ids].sort()).toEqual(ids);
    expect(new Set(ids).size).toBe(ids.length);
  });

  it("are told from other texts", () => {
    expect(isUuid("0198C0DE-1234-7FFF-BFFF-FFFFFFFFFFFF")).toBe(false);
    expect(isUuid("x")).toBe(false);
    expect(isUuid(undefined)).toBe(false);
  });
});
