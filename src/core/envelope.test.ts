import { createCipheriv, createDecipheriv, randomBytes } from "node:crypto";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { createValueFormat, type ValueCodec, type ValueFormatOptions } from "./envelope.ts";
import { type CodedError, OptionError } from "./errors.ts";

const format = createValueFormat();
const bytesOf = (...parts: readonly (number | string)[]): Uint8Array =>
  Uint8Array.from(parts.flatMap((part) => (typeof part === "number" ? [part] : [...new TextEncoder().encode(part)])));
const refusal = (run: () => unknown): CodedError => {
  try {
    run();
  } catch (error) {
    return error as CodedError;
  }
  throw new Error("was not refused");
};

const keys = new Map([
  ["2025", randomBytes(32)],
  ["2026", randomBytes(32)],
]);
const encryption = (keyId: string, id = 16): ValueCodec => ({
  id,
  seal(body) {
    const iv = randomBytes(12);
    const cipher = createCipheriv("aes-256-gcm", keys.get(keyId) ?? "", iv);
    return { keyId, body: Buffer.concat([iv, cipher.update(body), cipher.final(), cipher.getAuthTag()]) };
  },
  open(usedKeyId, body) {
    const key = keys.get(usedKeyId);
    if (key === undefined) throw new Error("no such key");
    const decipher = createDecipheriv("aes-256-gcm", key, body.subarray(0, 12));
    decipher.setAuthTag(body.subarray(-16));
    return Buffer.concat([decipher.update(body.subarray(12, -16)), decipher.final()]);
  },
});

const values = fc.anything({
  withBigInt: true,
  withDate: false,
  withMap: true,
  withSet: true,
  stringUnit: "grapheme",
  key: fc.string({ unit: "grapheme-ascii" }),
});

describe("a value in its envelope", () => {
  test("has frozen bytes", () => {
    expect(format.encode("汉", "result")).toEqual(bytesOf(1, 1, 0, '"汉"'));
    expect(format.encode({ a: 1n }, "result")).toEqual(bytesOf(1, 1, 0, '{"a":{"$n":"1"}}'));
    expect(format.encode(undefined, "result")).toEqual(bytesOf(1, 1, 0, '{"$u":0}'));
  });

  test("is handed out as the copy that decoding would give, sealed or not", () => {
    const sealed = createValueFormat({ codec: encryption("2026") });
    fc.assert(
      fc.property(values, (value) => {
        for (const one of [format, sealed]) {
          let stored: { bytes: Uint8Array | null; value: unknown };
          try {
            stored = one.store(value, "result");
          } catch (error) {
            expect((error as CodedError).code).toMatch(/^VALUE_(UNSUPPORTED|TOO_DEEP|TOO_LARGE)$/);
            return;
          }
          expect(stored.value).toStrictEqual(one.decode(stored.bytes));
          if (value !== undefined && one === format) expect(stored.bytes).toEqual(one.encode(value, "result"));
        }
      }),
      { numRuns: 500 },
    );
  });

  test("is null for undefined, and null is undefined", () => {
    expect(format.store(undefined, "result")).toEqual({ bytes: null, value: undefined });
    expect(format.decode(null)).toBeUndefined();
    expect(format.decode(format.encode(undefined, "result"))).toBeUndefined();
    expect(format.store(null, "result")).toEqual({ bytes: bytesOf(1, 1, 0, "null"), value: null });
  });

  test("is a copy: what is done to it or to the original reaches neither the other nor the bytes", () => {
    const original = { lines: [1], at: new Date(0) };
    const { bytes, value } = format.store(original, "result");
    original.lines.push(2);
    value.at.setTime(9);
    expect(format.decode(bytes)).toEqual({ lines: [1], at: new Date(0) });
    expect(value.lines).toEqual([1]);
    expect(original.at.getTime()).toBe(0);
  });

  test("is read from a slice of a larger buffer", () => {
    const bytes = format.encode({ a: [1, "x"] }, "result");
    const pool = Buffer.alloc(100);
    pool.set(bytes, 7);
    expect(format.decode(pool.subarray(7, 7 + bytes.length))).toEqual({ a: [1, "x"] });
  });

  test("may be exactly as large as the limit, not larger, counted in bytes", () => {
    expect(format.encode("a".repeat(98), "result", 100)).toHaveLength(103);
    expect(refusal(() => format.encode("a".repeat(99), "result", 100))).toMatchObject({ code: "VALUE_TOO_LARGE" });
    expect(refusal(() => format.encode("汉".repeat(33), "result", 100)).message).toMatch(
      /^result: expected at most 100 bytes, found 101\./,
    );
    expect(refusal(() => format.store("\u0001".repeat(20), "result", 100)).code).toBe("VALUE_TOO_LARGE");
    expect(() => createValueFormat({ codec: encryption("2026") }).encode("a".repeat(98), "result", 100)).not.toThrow();
    expect(
      refusal(() => createValueFormat({ codec: encryption("2026") }).encode("a".repeat(99), "result", 100)).code,
    ).toBe("VALUE_TOO_LARGE");
    expect(refusal(() => createValueFormat({ codec: encryption("2026") }).encode("汉".repeat(33), "x", 100)).code).toBe(
      "VALUE_TOO_LARGE",
    );
    expect(refusal(() => createValueFormat({ maxBytes: 1 }).encode([], "result")).code).toBe("VALUE_TOO_LARGE");
  });

  test("of the greatest depth that can be set decodes, whatever is deepest", () => {
    const deep = createValueFormat({ maxDepth: 200 });
    for (const core of [undefined, -0, 5n, "x"]) {
      let value: unknown = core;
      for (let level = 0; level < 200; level++) value = level % 2 === 0 ? { $: value } : new Set([value]);
      expect(deep.decode(deep.encode(value, "result"))).toStrictEqual(value);
    }
  });

  test("remains readable after a limit was lowered", () => {
    const bytes = format.encode({ a: { b: "x".repeat(100) } }, "result");
    expect(createValueFormat({ maxBytes: 10, maxDepth: 1 }).decode(bytes)).toEqual({ a: { b: "x".repeat(100) } });
  });
});

describe("a codec", () => {
  test("writes all new values and reads its own, with every key it knows", () => {
    const old = createValueFormat({ codec: encryption("2025") });
    const now = createValueFormat({ codec: encryption("2026") });
    const bytes = old.encode({ card: "4111111111111111" }, "input");
    expect(bytes.subarray(0, 7)).toEqual(bytesOf(1, 16, 4, "2025"));
    expect(Buffer.from(bytes).toString("latin1")).not.toContain("4111");
    expect(now.decode(bytes)).toEqual({ card: "4111111111111111" });
  });

  test("can be replaced: the old one stays among the others, and plain values stay readable", () => {
    const now = createValueFormat({ codec: encryption("2026", 17), others: [encryption("2025", 16)] });
    expect(now.decode(createValueFormat({ codec: encryption("2025", 16) }).encode(1, "x"))).toBe(1);
    expect(now.decode(format.encode(2, "x"))).toBe(2);
    expect(now.encode(3, "x")[1]).toBe(17);
  });

  test("that is missing, or lacks the key, makes the value VALUE_CORRUPT and says which", () => {
    const bytes = createValueFormat({ codec: encryption("2026") }).encode(1, "x");
    expect(refusal(() => format.decode(bytes))).toMatchObject({
      code: "VALUE_CORRUPT",
      message: expect.stringMatching(/configured codec, found id 16\. Configure/),
    });
    const renamed = bytes.with(3, "9".charCodeAt(0));
    const error = refusal(() => createValueFormat({ codec: encryption("2026") }).decode(renamed));
    expect(error).toMatchObject({
      code: "VALUE_CORRUPT",
      message: expect.stringMatching(/codec 16 could not open it with key "9026"/),
      cause: expect.objectContaining({ message: "no such key" }),
    });
  });

  test("notices every changed byte", () => {
    const sealed = createValueFormat({ codec: encryption("2026") });
    const bytes = sealed.encode({ total: 1 }, "x");
    for (let at = 0; at < bytes.length; at++)
      expect(refusal(() => sealed.decode(bytes.with(at, (bytes[at] ?? 0) ^ 1))).code).toBe("VALUE_CORRUPT");
  });

  const broken: readonly Partial<ValueCodec>[] = [
    {
      seal: () => {
        throw new Error("no key");
      },
    },
    { seal: (async () => ({})) as never },
    { seal: () => null as never },
    { seal: () => ({ keyId: "é", body: new Uint8Array() }) },
    { seal: () => ({ keyId: "x".repeat(101), body: new Uint8Array() }) },
    { seal: () => ({ keyId: "x", body: "text" as never }) },
  ];
  test.each(broken)("that fails to seal is VALUE_SEAL_FAILED (%#)", (part) => {
    const codec = { ...encryption("2026"), ...part };
    expect(refusal(() => createValueFormat({ codec }).store(1, "x"))).toMatchObject({ code: "VALUE_SEAL_FAILED" });
  });

  test("that opens to nonsense makes the value VALUE_CORRUPT", () => {
    const bytes = createValueFormat({ codec: encryption("2026") }).encode(1, "x");
    for (const open of [async () => new Uint8Array(), () => "1", () => bytesOf("not json"), () => bytesOf(0xff)])
      expect(
        refusal(() => createValueFormat({ codec: { ...encryption("2026"), open: open as never } }).decode(bytes)).code,
      ).toBe("VALUE_CORRUPT");
  });

  const refused: readonly ValueFormatOptions[] = [
    { codec: encryption("2026", 15) },
    { codec: encryption("2026", 256) },
    { codec: encryption("2026", 16.5) },
    { codec: encryption("2026"), others: [encryption("2025")] },
    { codec: {} as never },
    { others: [null as never] },
    { maxDepth: 0 },
    { maxDepth: 201 },
    { maxBytes: 0 },
    { maxByte: 5 } as never,
  ];
  test.each(refused)("or a limit that cannot be is refused at once (%#)", (options) => {
    expect(() => createValueFormat(options)).toThrow(OptionError);
  });
});

describe("hostile bytes", () => {
  const corrupt: readonly (readonly [Uint8Array, RegExp])[] = [
    [bytesOf(), /header of 3 bytes, found 0/],
    [bytesOf(1, 1), /header of 3 bytes, found 2/],
    [bytesOf(2, 1, 0, "1"), /expected format 1, found 2/],
    [bytesOf(0x7b, 0x7d, 0x20), /expected format 1, found 123/],
    [bytesOf(1, 2, 0, "1"), /found id 2/],
    [bytesOf(1, 1, 200, "1"), /key id of 200 bytes/],
    [bytesOf(1, 1, 1, "a1"), /no key id/],
    [bytesOf(1, 1, 0), /expected JSON/],
    [bytesOf(1, 1, 0, "{"), /expected JSON/],
    [bytesOf(1, 1, 0, '"', 0xff, '"'), /expected JSON in UTF-8/],
    [bytesOf(1, 1, 0, '"', 0xed, 0xa0, 0x80, '"'), /expected JSON in UTF-8/],
    [bytesOf(1, 1, 0, 0xef, 0xbb, 0xbf, "1"), /expected JSON/],
    [bytesOf(1, 1, 0, '{"__proto__":1}'), /the key __proto__/],
    [bytesOf(1, 1, 0, `${"[".repeat(5_000_000)}`), /expected JSON/],
    [bytesOf(1, 1, 0, `${"[".repeat(100_000)}${"]".repeat(100_000)}`), /levels/],
    [new Uint8Array(17 * 1_024 * 1_024).fill(1, 0, 2), /at most 16777216 bytes/],
  ];
  test("are VALUE_CORRUPT, saying what was expected and found", () => {
    for (const [bytes, message] of corrupt) {
      const error = refusal(() => format.decode(bytes));
      expect(error.code).toBe("VALUE_CORRUPT");
      expect(error.message).toMatch(message);
    }
    for (const none of ["text", {}, 5, undefined])
      expect(refusal(() => format.decode(none as never)).code).toBe("VALUE_CORRUPT");
  });

  test("of any kind decode to a value or are VALUE_CORRUPT", () => {
    fc.assert(
      fc.property(fc.boolean(), fc.uint8Array(), (isPlain, tail) => {
        const bytes = isPlain ? bytesOf(1, 1, 0, ...tail) : tail;
        try {
          format.decode(bytes);
        } catch (error) {
          expect(error).toMatchObject({ code: "VALUE_CORRUPT" });
        }
      }),
      { numRuns: 2_000 },
    );
  });
});
