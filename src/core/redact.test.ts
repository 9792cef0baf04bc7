import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { OptionError } from "./errors.ts";
import { createScrubber, isMarked, parseMarks, redactValue } from "./redact.ts";

describe("marks", () => {
  const refused: readonly unknown[] = [
    [""],
    ["a."],
    [".a"],
    ["a..b"],
    ["lines[0].iban"],
    ["lines[].iban"],
    [5],
    [null],
    "customer.card",
    Array.from({ length: 101 }, () => "a"),
    ["a".repeat(201)],
  ];
  test.each(refused.map((paths) => [paths]))("%o are refused", (paths) => {
    expect(() => parseMarks(paths as string[], "job.redact")).toThrow(OptionError);
  });

  test("cover their place and all below it, with * for any key or index", () => {
    const marks = parseMarks(["customer.card", "lines.*.iban", "*.secret"]);
    for (const path of [
      ["customer", "card"],
      ["customer", "card", "number"],
      ["lines", 0, "iban"],
      ["lines", "x", "iban", 3],
      ["a", "secret"],
      ["lines", "secret"],
    ])
      expect(isMarked(path, marks)).toBe(true);
    for (const path of [
      [],
      ["customer"],
      ["customer", "name"],
      ["lines", 0],
      ["lines", "iban"],
      ["secret"],
      ["a", "b", "secret"],
    ])
      expect(isMarked(path, marks)).toBe(false);
  });

  test("of a path within another one's are both kept", () => {
    const marks = parseMarks(["a.b", "a", "a.b.c"]);
    expect(isMarked(["a"], marks)).toBe(true);
    expect(isMarked(["a", "x"], marks)).toBe(true);
  });

  test("are none by default", () => {
    expect(isMarked(["a"], parseMarks())).toBe(false);
    expect(isMarked([], parseMarks(["*"]))).toBe(false);
    expect(isMarked(["a"], parseMarks(["*"]))).toBe(true);
  });

  test("named like members of prototypes are just names", () => {
    const marks = parseMarks(["constructor", "a.__proto__"]);
    expect(isMarked(["constructor"], marks)).toBe(true);
    expect(isMarked(["toString"], marks)).toBe(false);
  });
});

describe("a redacted value", () => {
  test("shows [redacted] at each marked place and is otherwise the same", () => {
    const order = {
      customer: { name: "Mary", card: { number: "4111", year: 29 } },
      lines: [
        { iban: "DE1", qty: 1 },
        { iban: null, qty: 2n },
      ],
      at: new Date(5),
    };
    expect(redactValue(order, parseMarks(["customer.card", "lines.*.iban", "absent"]))).toStrictEqual({
      customer: { name: "Mary", card: "[redacted]" },
      lines: [
        { iban: "[redacted]", qty: 1 },
        { iban: "[redacted]", qty: 2n },
      ],
      at: new Date(5),
    });
  });

  test("reaches into maps by key and into sets by position", () => {
    const value = {
      cards: new Map([
        ["visa", "4111"],
        ["other", "x"],
      ]),
      names: new Set(["Mary"]),
    };
    expect(redactValue(value, parseMarks(["cards.visa", "names.*"]))).toStrictEqual({
      cards: new Map([
        ["visa", "[redacted]"],
        ["other", "x"],
      ]),
      names: new Set(["[redacted]"]),
    });
  });

  test("without marks is a deep copy", () => {
    const value = { a: [{ b: new Date(1), c: new Uint8Array([1]) }] };
    const copy = redactValue(value, parseMarks()) as typeof value;
    expect(copy).toStrictEqual(value);
    expect(copy.a[0]).not.toBe(value.a[0]);
    expect(copy.a[0]?.b).not.toBe(value.a[0]?.b);
  });

  test("marks nothing by way of a prototype", () => {
    const copy = redactValue(JSON.parse('{"__proto__":{"polluted":1},"a":1}'), parseMarks(["a"])) as object;
    expect(Object.hasOwn(copy, "__proto__")).toBe(true);
    expect(Object.getPrototypeOf(copy)).toBe(Object.prototype);
  });

  test("ends, and shows nothing where it ended, for circles, throwing getters and huge values", () => {
    const circle: Record<string, unknown> = { card: "4111" };
    circle.a = circle;
    circle.b = circle;
    expect(JSON.stringify(redactValue(circle, parseMarks(["card"])))).toContain("[redacted]");
    const throwing = {
      get a(): number {
        throw new Error("no");
      },
    };
    expect(redactValue({ throwing, b: 1 }, parseMarks())).toEqual({ throwing: "[redacted]", b: 1 });
  });

  test("never holds what stands at a marked place", () => {
    fc.assert(
      fc.property(fc.anything({ withMap: true, withSet: true, withDate: true }), (value) => {
        const shown = redactValue(
          { a: value, b: { deep: [value] }, c: new Map([["k", value]]) },
          parseMarks(["a", "b.*.0", "c.k"]),
        );
        expect(shown).toStrictEqual({
          a: "[redacted]",
          b: { deep: ["[redacted]"] },
          c: new Map([["k", "[redacted]"]]),
        });
      }),
    );
  });
});

describe("a scrubber", () => {
  const marks = parseMarks(["customer.card", "lines.*.iban", "pin"]);

  test("takes every occurrence of the marked texts and numbers out of a text", () => {
    const scrub = createScrubber(marks, {
      customer: { card: { number: "4111-1111", cvc: 123, year: 2_029 } },
      lines: [{ iban: "DE89 3704" }],
      pin: 12345678n,
      name: "Mary",
    });
    expect(scrub("4111-1111 of Mary until 2029 (cvc 123): DE89 3704, again 4111-1111, pin 12345678!")).toBe(
      "[redacted] of Mary until [redacted] (cvc 123): [redacted], again [redacted], pin [redacted]!",
    );
  });

  test("takes out what stands in marked maps, their keys too, and in marked sets", () => {
    const value = {
      pin: [new Map([["key-1", "value-1"]]), new Set(["item-1"]), new Date(5)],
      name: new Set(["item-2"]),
    };
    expect(createScrubber(marks, value)("key-1 value-1 item-1 item-2")).toBe("[redacted] [redacted] [redacted] item-2");
    const inside = { lines: new Map([["first", { iban: "DE89" }]]), customer: new Set([1]) };
    expect(createScrubber(marks, inside)("first DE89")).toBe("first [redacted]");
    expect(createScrubber(marks, { pin: "bad \ud800" })("a bad \ud800 text")).toBe("a [redacted] text");
  });

  test("also as JSON and URLs write them", () => {
    const scrub = createScrubber(marks, { pin: 'a "b" ü' });
    expect(scrub(JSON.stringify({ pin: 'a "b" ü' }))).toBe('{"pin":"[redacted]"}');
    expect(scrub(`https://x.y/?pin=${encodeURIComponent('a "b" ü')}`)).toBe("https://x.y/?pin=[redacted]");
  });

  test("takes the whole of what overlaps", () => {
    const scrub = createScrubber(parseMarks(["*"]), { a: "abcd", b: "cdefg", c: "abcdefgh", d: "1212" });
    expect(scrub("xabcdefgy")).toBe("x[redacted]y");
    expect(scrub("xabcdefghy abcd")).toBe("x[redacted]y [redacted]");
    expect(scrub("121212")).toBe("[redacted]");
  });

  test("is not confused by secrets that look like its own mark or like a pattern", () => {
    const scrub = createScrubber(parseMarks(["*"]), { a: "redacted", b: "(a+)+$", c: "$& $1" });
    expect(scrub("redacted (a+)+$ $& $1 aaaa")).toBe("[redacted] [redacted] [redacted] aaaa");
  });

  test("hands texts back as they are where nothing is marked or nothing stands there", () => {
    for (const scrub of [
      createScrubber(parseMarks(), { pin: "12345" }),
      createScrubber(marks, { name: "12345" }),
      createScrubber(marks, { pin: "123" }),
      createScrubber(marks, null),
      createScrubber(marks, { pin: true }),
    ])
      expect(scrub("123 12345 true")).toBe("123 12345 true");
  });

  test("lets nothing through when it could not read the value", () => {
    const { proxy, revoke } = Proxy.revocable({}, {});
    revoke();
    expect(createScrubber(marks, { pin: proxy })("some text")).toBe("[redacted]");
    expect(
      createScrubber(marks, { pin: Array.from({ length: 2_000 }, (_, index) => `secret-${index}`) })("some text"),
    ).toBe("[redacted]");
    const circle: unknown[] = [];
    circle.push(circle);
    expect(createScrubber(marks, { pin: circle })("some text")).toBe("[redacted]");
  });

  test("leaves no occurrence of a marked text", () => {
    const secret = fc.string({ unit: fc.constantFrom("a", "b", "1", '"', " "), minLength: 4, maxLength: 8 });
    fc.assert(
      fc.property(
        fc.array(secret, { minLength: 1, maxLength: 4 }),
        fc.array(fc.oneof(secret, fc.string({ maxLength: 3 })), { maxLength: 6 }),
        (secrets, noise) => {
          const scrub = createScrubber(parseMarks(["s"]), { s: secrets });
          const out = scrub([...noise, ...secrets, ...noise].join(""));
          for (const part of out.split("[redacted]")) for (const one of secrets) expect(part).not.toContain(one);
        },
      ),
      { numRuns: 1_000 },
    );
  });

  test("takes linear time for long repetitive secrets and texts", () => {
    const scrub = createScrubber(marks, { pin: "a".repeat(100_000) });
    expect(scrub("a".repeat(500_000))).toBe("[redacted]");
    expect(scrub(`b${"a".repeat(99_999)}`)).toBe(`b${"a".repeat(99_999)}`);
  });
});
