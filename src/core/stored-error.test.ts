import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { createValueFormat } from "./envelope.ts";
import { fromStoredError, NonRetryableError, RefusedError, StepTimedOutError, type StoredError } from "./errors.ts";
import { parseStoredError, toStoredError } from "./stored-error.ts";

const format = createValueFormat();

const storedErrors: fc.Arbitrary<StoredError> = fc.record(
  {
    code: fc.stringMatching(/^[A-Z0-9_]{1,64}$/),
    message: fc.string({ unit: "grapheme", minLength: 1 }).filter((text) => !text.includes("\0")),
    details: fc.record({
      orderId: fc.string({ unit: "grapheme-ascii" }),
      units: fc.integer(),
      at: fc.date({ noInvalidDate: true }),
      big: fc.bigInt({ min: -(2n ** 64n), max: 2n ** 64n }),
    }),
    retryable: fc.boolean(),
    effect: fc.constantFrom("none", "unknown"),
  },
  { requiredKeys: ["code", "message", "retryable", "effect"] },
);

describe("a stored error", () => {
  test("read back and thrown again is stored as the same", () => {
    fc.assert(
      fc.property(storedErrors, (stored) => {
        expect(toStoredError(fromStoredError(stored))).toEqual(stored);
      }),
    );
  });

  test("survives the codec", () => {
    fc.assert(
      fc.property(storedErrors, (stored) => {
        expect(parseStoredError(format.decode(format.encode(stored, "error")))).toEqual(stored);
      }),
    );
  });

  test("that is none is VALUE_CORRUPT", () => {
    for (const value of [
      null,
      3,
      {},
      { code: "A", message: "b", retryable: 1, effect: "none" },
      { code: "A", message: "b", retryable: true, effect: "some" },
    ])
      expect(() => parseStoredError(value)).toThrow(expect.objectContaining({ code: "VALUE_CORRUPT" }));
  });

  test("is made of anything thrown, never fails, and can always be encoded", () => {
    fc.assert(
      fc.property(
        fc.anything({
          withBigInt: true,
          withDate: true,
          withMap: true,
          withSparseArray: true,
          withNullPrototype: true,
          withObjectString: true,
        }),
        (thrown) => {
          for (const value of [
            thrown,
            new NonRetryableError("no", { details: thrown }),
            Object.assign(new Error("no"), { cause: thrown }),
          ]) {
            const stored = toStoredError(value);
            expect(stored.message.length).toBeGreaterThan(0);
            expect(format.decode(format.encode(stored, "error"))).toEqual(stored);
          }
        },
      ),
    );
  });

  const revokedProxy = (): object => {
    const { proxy, revoke } = Proxy.revocable({}, {});
    revoke();
    return proxy;
  };
  const throwingMessage = {
    name: "Odd",
    get message(): string {
      throw new Error("no message");
    },
  };
  // Functions, since the test runner itself cannot print a revoked proxy.
  const hostile: readonly (readonly [string, () => unknown, string])[] = [
    ["undefined", () => undefined, "undefined was thrown"],
    ["null", () => null, "null was thrown"],
    ["a text", () => "out of stock", "out of stock"],
    ["an empty text", () => "", "An empty string was thrown"],
    ["a symbol", () => Symbol("x"), "Symbol(x) was thrown"],
    ["a number", () => 7, "7 was thrown"],
    ["an object", () => ({ a: 1 }), "an object was thrown"],
    ["an array", () => [1], "an array of 1 was thrown"],
    ["a function", () => () => 1, "a function was thrown"],
    ["a revoked proxy", revokedProxy, "an object that cannot be read was thrown"],
    ["an error with a throwing message", () => throwingMessage, "Odd"],
    ["an error without a message", () => new RangeError(), "RangeError"],
    ["an object like an error", () => ({ message: "like an error" }), "like an error"],
  ];
  test.each(hostile)("of %s has a message", (_, thrown, message) => {
    expect(toStoredError(thrown())).toEqual({ code: "ERROR", message, retryable: true, effect: "unknown" });
  });

  test("keeps a foreign error's short code and nothing else of it", () => {
    const foreign = Object.assign(new Error("refused"), {
      code: "ECONNREFUSED",
      retryable: false,
      details: { secret: 1 },
    });
    expect(toStoredError(foreign)).toEqual({
      code: "ECONNREFUSED",
      message: "refused",
      retryable: true,
      effect: "unknown",
    });
    for (const code of [23505, "lower", "A".repeat(65), "", {}])
      expect(toStoredError(Object.assign(new Error("x"), { code })).code).toBe("ERROR");
  });

  test("takes in the causes, each once, also of aggregates and of circles", () => {
    const failedFetch = new TypeError("fetch failed", { cause: new Error("connect ECONNREFUSED ::1:80") });
    expect(toStoredError(failedFetch).message).toBe("fetch failed: connect ECONNREFUSED ::1:80");
    expect(toStoredError(new Error("outer: inner", { cause: new Error("inner") })).message).toBe("outer: inner");
    expect(toStoredError(new AggregateError([new Error("no route"), new Error("b")])).message).toBe(
      "AggregateError: no route",
    );
    const circle: Error & { cause?: unknown } = new Error("round");
    circle.cause = circle;
    expect(toStoredError(circle).message).toBe("round");
  });

  test("is cut at 2,000 characters, whole ones, without U+0000", () => {
    const long = toStoredError(new Error(`${"x".repeat(1_998)}😀😀\0`)).message;
    expect(long.length).toBeLessThanOrEqual(2_000);
    expect(long.endsWith("x…")).toBe(true);
    expect(toStoredError(new Error("a\0b\ud800c😀")).message).toBe("a\ufffdb\ufffdc😀");
    fc.assert(
      fc.property(
        fc.string({ unit: "binary", maxLength: 3_000 }),
        (text) => toStoredError(text).message.length <= 2_000 && toStoredError(text).message.isWellFormed(),
      ),
    );
  });

  test("is scrubbed before it is cut, in message and details", () => {
    const scrub = (text: string): string => text.replaceAll("4111111111111111", "[redacted]");
    const error = new NonRetryableError(`${"x".repeat(1_995)}4111111111111111`, {
      details: { card: "4111111111111111", list: ["no 4111111111111111"] },
    });
    const stored = toStoredError(error, scrub);
    expect(stored.message).not.toContain("4111");
    expect(stored.details).toEqual({ card: "[redacted]", list: ["no [redacted]"] });
  });

  test("lets nothing through when the scrubber fails", () => {
    const scrub = (): string => {
      throw new Error("bug");
    };
    expect(toStoredError(new Error("secret"), scrub).message).toBe("[redacted]");
  });

  class Instance {
    readonly x = 1;
  }
  const unfit: Readonly<Record<string, () => unknown>> = {
    "a function": () => () => 1,
    "a function within": () => ({ deep: { run: () => 1 } }),
    "a symbol": () => Symbol("x"),
    NaN: () => ({ total: Number.NaN }),
    "a map": () => new Map(),
    "an instance": () => new Instance(),
    "half a surrogate pair": () => "\ud800",
    "a huge bigint": () => 1n << 300n,
    "a key __proto__": () => JSON.parse('{"__proto__":1}'),
    "too many values": () => Array.from({ length: 2_000 }, () => 1),
    "too much text": () => "x".repeat(20_000),
    "a revoked proxy": revokedProxy,
    "a throwing getter": () => throwingMessage,
  };
  test.each(Object.entries(unfit))("drops details that hold %s", (_, details) => {
    expect("details" in toStoredError(new RefusedError("no", { details: details() }))).toBe(false);
  });

  test("copies details, so that a later change does not reach the record", () => {
    const details = { lines: [{ code: "a" }] };
    const stored = toStoredError(new RefusedError("no", { details }));
    details.lines.push({ code: "b" });
    expect(stored.details).toEqual({ lines: [{ code: "a" }] });
  });

  test("drops circular details", () => {
    const circle: Record<string, unknown> = {};
    circle.self = circle;
    expect("details" in toStoredError(new RefusedError("no", { details: circle }))).toBe(false);
  });

  test("keeps what a timeout says of itself", () => {
    expect(toStoredError(new StepTimedOutError("charge", 500))).toEqual({
      code: "STEP_TIMED_OUT",
      message: "charge did not end within 500 ms; it may still take effect",
      details: { step: "charge", timeoutMs: 500 },
      retryable: true,
      effect: "unknown",
    });
  });
});
