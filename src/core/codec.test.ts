import { runInNewContext } from "node:vm";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { canonicalText, fromWire, type Stored, toWire } from "./codec.ts";
import type { CodedError } from "./errors.ts";
import { defaultLimits } from "./limits.ts";

const bounds = { maxDepth: defaultLimits.maxDepth, maxBytes: defaultLimits.maxInputBytes };
const roundTrip = (value: unknown): unknown =>
  fromWire(JSON.parse(JSON.stringify(toWire(value, "result", bounds).json)), 65);
const text = (value: unknown): string => JSON.stringify(toWire(value, "result", bounds).json);
const refusal = (value: unknown, within = bounds): CodedError => {
  try {
    toWire(value, "result", within);
  } catch (error) {
    return error as CodedError;
  }
  throw new Error("was not refused");
};

// Values as the codec gives them back: no prototypes, no holes, no lone surrogates, no forbidden keys.
const texts = fc.string({ unit: "grapheme" }).filter((value) => !value.includes("\0"));
const keys = fc
  .oneof(texts, fc.constantFrom("$d", "$u", "$o", "$", "toJSON", "then", "length", "0", "10", "hasOwnProperty"))
  .filter((key) => !["__proto__", "constructor", "prototype"].includes(key));
const storable = fc.letrec((tie) => ({
  value: fc.oneof(
    { maxDepth: 5, withCrossShrink: true },
    fc.constantFrom(null, undefined, true, false, -0, 0),
    texts,
    fc.double({ noNaN: true, noDefaultInfinity: true }),
    fc.integer(),
    fc.bigInt({ min: -(2n ** 4_000n), max: 2n ** 4_000n }),
    fc.date({ noInvalidDate: true }),
    fc.uint8Array(),
    fc.array(tie("value"), { maxLength: 5 }),
    fc.dictionary(keys, tie("value"), { maxKeys: 4, noNullPrototype: true }),
    fc.array(fc.tuple(tie("value"), tie("value")), { maxLength: 4 }).map((entries) => new Map(entries)),
    fc.array(tie("value"), { maxLength: 4 }).map((items) => new Set(items)),
  ),
})).value;

describe("a stored value", () => {
  test("comes back as it was", () => {
    fc.assert(
      fc.property(storable, (value) => {
        expect(roundTrip(value)).toStrictEqual(value);
      }),
      { numRuns: 1_000 },
    );
  });

  test("holds texts that JSON escapes, which look like those that are refused", () => {
    const value = { "\u0001": ["\u001f", "\\u0000", "\\ud800"], "\\u": "\ud83d\ude00" };
    expect(roundTrip(value)).toStrictEqual(value);
    let reads = 0;
    const counting = {
      get text() {
        return `\u0001${reads++}`;
      },
    };
    const wire = toWire(counting, "result", bounds);
    expect(JSON.parse(wire.text)).toStrictEqual(wire.json);
  });

  test("is also what the tree itself revives to, without the detour through text", () => {
    fc.assert(
      fc.property(storable, (value) => {
        const wire = toWire(value, "result", bounds);
        const copy = wire.isTagged ? fromWire(wire.json, 65) : wire.json;
        expect(copy).toStrictEqual(value);
      }),
    );
  });

  test("shares nothing with the original", () => {
    const original = { lines: [{ at: new Date(0), bytes: new Uint8Array([1]) }], prices: new Map([["a", [1]]]) };
    const copy = roundTrip(original) as typeof original;
    original.lines[0]?.at.setTime(99);
    original.lines[0]?.bytes.fill(9);
    original.prices.get("a")?.push(2);
    expect(copy).toEqual({ lines: [{ at: new Date(0), bytes: new Uint8Array([1]) }], prices: new Map([["a", [1]]]) });
  });

  // Stored for years: these texts must be read for ever, and are never changed.
  const frozen: readonly (readonly [unknown, string])[] = [
    [null, "null"],
    [undefined, '{"$u":0}'],
    [-0, '{"$z":0}'],
    [1.5, "1.5"],
    ['汉字 "\u0001', '"汉字 \\"\\u0001"'],
    [-12n, '{"$n":"-12"}'],
    [new Date(1_700_000_000_000), '{"$d":1700000000000}'],
    [new Uint8Array([0, 1, 255]), '{"$b":"AAH/"}'],
    [
      new Map<unknown, unknown>([
        ["a", 1],
        [2n, undefined],
      ]),
      '{"$m":["a",1,{"$n":"2"},{"$u":0}]}',
    ],
    [new Set([1, [2]]), '{"$s":[1,[2]]}'],
    [{ a: undefined, b: [undefined] }, '{"a":{"$u":0},"b":[{"$u":0}]}'],
    [{ $d: 1 }, '{"$o":{"$d":1}}'],
    [{ $o: { $o: 1 } }, '{"$o":{"$o":{"$o":{"$o":1}}}}'],
    [{ $d: 1, $n: 2 }, '{"$d":1,"$n":2}'],
  ];
  test.each(frozen)("%o has its frozen text", (value, expected) => {
    expect(text(value)).toBe(expected);
    expect(fromWire(JSON.parse(expected), 65)).toStrictEqual(value);
  });

  test("of a class is a record of its enumerable fields, without methods", () => {
    class Order {
      id = "A-17";
      total = 5n;
      onChange = (): void => {};
      #secret = 1;
      save(): number {
        return this.#secret;
      }
      get upper(): string {
        return this.id.toUpperCase();
      }
      toJSON(): string {
        return "not this";
      }
    }
    expect(roundTrip(new Order())).toStrictEqual({ id: "A-17", total: 5n });
    expect(roundTrip({ a: 1, toJSON: () => "not this" })).toStrictEqual({ a: 1 });
  });

  test("of a subclass of a built-in type is the plain type", () => {
    class Rows extends Array<number> {
      readonly count = 3;
    }
    class Registry extends Map<string, number> {
      override entries(): MapIterator<[string, number]> {
        return new Map([["forged", 1]]).entries();
      }
      override get [Symbol.toStringTag](): string {
        return "Registry";
      }
    }
    expect(roundTrip(Rows.from([1, 2]))).toStrictEqual([1, 2]);
    expect(roundTrip(new Registry([["a", 1]]))).toStrictEqual(new Map([["a", 1]]));
    const bytes = roundTrip(Buffer.from("abc")) as Uint8Array;
    expect(Object.getPrototypeOf(bytes)).toBe(Uint8Array.prototype);
    expect(bytes).toEqual(new Uint8Array([97, 98, 99]));
  });

  test("of another realm is read like one of this", () => {
    const foreign: unknown = runInNewContext(
      `({ at: new Date(5), m: new Map([["a", new Set([1])]]), b: new Uint8Array([1]), l: [{}], o: { x: 1n } })`,
    );
    expect(roundTrip(foreign)).toStrictEqual({
      at: new Date(5),
      m: new Map([["a", new Set([1])]]),
      b: new Uint8Array([1]),
      l: [{}],
      o: { x: 1n },
    });
  });

  test("without a prototype, frozen, or behind a proxy is a plain object", () => {
    expect(roundTrip(Object.assign(Object.create(null), { a: 1 }))).toStrictEqual({ a: 1 });
    expect(roundTrip(Object.freeze({ a: Object.freeze([1]) }))).toStrictEqual({ a: [1] });
    expect(roundTrip(new Proxy({ a: 1 }, {}))).toStrictEqual({ a: 1 });
  });

  test("met twice is stored twice", () => {
    const shared = { a: 1 };
    const copy = roundTrip([shared, shared]) as unknown[];
    expect(copy).toStrictEqual([{ a: 1 }, { a: 1 }]);
    expect(copy[0]).not.toBe(copy[1]);
  });

  test("of 200 KiB of bytes comes back", () => {
    const bytes = Uint8Array.from({ length: 200 * 1_024 }, (_, index) => index * 7);
    expect(roundTrip(bytes)).toStrictEqual(bytes);
  });
});

describe("a value that would be stored in part", () => {
  class Money {
    readonly #cents = 5;
    cents(): number {
      return this.#cents;
    }
  }
  class Query {
    readonly sql = "SELECT 1";
  }
  // biome-ignore lint/suspicious/noThenProperty: a thing that looks like a promise is what is tested
  const thenable = (on: object): object => Object.defineProperty(on, "then", { value: () => 1, enumerable: true });
  const pathTo = (value: unknown): unknown => ({ lines: [0, 1, 2, { qty: value }] });
  const kinds: readonly (readonly [() => unknown, RegExp])[] = [
    [() => Number.NaN, /is NaN, .*finite/],
    [() => Number.POSITIVE_INFINITY, /is Infinity/],
    [() => Symbol("x"), /is a symbol/],
    [() => new Date(Number.NaN), /is an invalid Date/],
    [() => Promise.resolve(1), /is a Promise.* did you forget await\?/],
    [() => thenable({ rows: 1 }), /is a function.* did you forget await\?/],
    [() => thenable(new Query()), /is a Promise.* did you forget await\?/],
    [() => new WeakMap(), /is a WeakMap/],
    [() => new WeakSet(), /is a WeakSet/],
    [() => /x/, /is a RegExp/],
    [() => new TypeError("x"), /is an Error.*Throw it/],
    [() => new Uint16Array(2), /is an Uint16Array/],
    [() => new DataView(new ArrayBuffer(1)), /is a DataView/],
    [() => new ArrayBuffer(1), /is an ArrayBuffer.*Uint8Array/],
    [() => new URL("https://a.b"), /is an URL.*href/],
    [() => new Response("x"), /is a Response/],
    [() => new Headers(), /is a Headers/],
    [() => new Money(), /without enumerable properties/],
    [() => Object(5), /is a Number/],
    [() => [1][Symbol.iterator](), /is an Array Iterator/],
    [() => "a\0b", /U\+0000/],
    [() => "\ud83d", /half of a surrogate pair/],
    [() => 1n << 5_000n, /4096 bits/],
  ];
  test.each(kinds)("is refused with its path (%#)", (make, message) => {
    const error = refusal(pathTo(make()));
    expect(error.code).toBe("VALUE_UNSUPPORTED");
    expect(error.message).toMatch(/^result\.lines\[3\]\.qty/);
    expect(error.message).toMatch(message);
  });

  test("is refused for what its getters and proxies throw", () => {
    const throwing = {
      get x(): number {
        throw new TypeError("gone");
      },
    };
    expect(refusal(pathTo(throwing)).message).toMatch(
      /^result\.lines\[3\]\.qty\.x is a value that cannot be read \("gone"\)/,
    );
    const { proxy, revoke } = Proxy.revocable({}, {});
    revoke();
    expect(refusal(pathTo(proxy)).message).toMatch(/^result\.lines\[3\]\.qty is a value that cannot be read/);
    expect(refusal(proxy).message).toMatch(/^result is a value that cannot be read/);
  });

  test("is refused for claiming to be what it is not", () => {
    for (const tag of ["Map", "Set", "Date", "Uint8Array", "Promise", "Something", "Array"]) {
      class Impostor {
        readonly a = 1;
        get [Symbol.toStringTag](): string {
          return tag;
        }
      }
      expect(refusal(new Impostor()).code).toBe("VALUE_UNSUPPORTED");
    }
    expect(refusal(Object.create(Date.prototype)).code).toBe("VALUE_UNSUPPORTED");
    expect(refusal(Object.create(Map.prototype)).code).toBe("VALUE_UNSUPPORTED");
  });

  test("is refused at the top and in arrays for functions, which properties merely lose", () => {
    expect(refusal(() => 1).message).toMatch(/^result is a function/);
    expect(refusal([1, () => 1]).message).toMatch(/^result\[1\] is a function/);
    expect(refusal(new Set([() => 1])).message).toMatch(/^result\.values\(\)\[0\] is a function/);
    expect(roundTrip({ a: 1, f: () => 1 })).toStrictEqual({ a: 1 });
  });

  test("is refused for holes in arrays", () => {
    const sparse = [1, 2, 3];
    delete sparse[1];
    expect(refusal({ sparse }).message).toMatch(/^result\.sparse\[1\] is a hole/);
    expect(roundTrip([undefined])).toStrictEqual([undefined]);
  });

  test("is refused for keys that reach prototypes, and for keys that are no text", () => {
    for (const key of ["__proto__", "constructor", "prototype"]) {
      const value = JSON.parse(`{"a":{"${key}":1}}`);
      expect(refusal(value).message).toMatch(new RegExp(`^result\\.a\\.${key} is a property`));
    }
    expect(refusal({ "a\0": 1 }).message).toMatch(/whose name is a text with U\+0000/);
    expect(refusal({ "\udc00": 1 }).code).toBe("VALUE_UNSUPPORTED");
  });

  test("is refused in maps with a path that reads like code", () => {
    expect(refusal({ prices: new Map([["a b", [Number.NaN]]]) }).message).toMatch(
      /^result\.prices\.get\("a b"\)\[0\] is NaN/,
    );
    expect(refusal(new Map([[{ x: Number.NaN }, 1]])).message).toMatch(/^result\.keys\(\)\[0\]\.x is NaN/);
    expect(
      refusal(
        new Map([
          [1, 2],
          [2, Number.NaN],
        ]),
      ).message,
    ).toMatch(/^result\.values\(\)\[1\] is NaN/);
    expect(refusal({ "a b": Number.NaN, 汉: 1 }).message).toMatch(/^result\["a b"\] is NaN/);
    expect(refusal({ 汉: Number.NaN }).details).toEqual({ path: "result.汉", found: "NaN" });
  });

  test("is refused for containing itself, naming the circle", () => {
    const order: Record<string, unknown> = { id: 1 };
    order.lines = [{ order }];
    expect(refusal({ order }).message).toBe(
      "result.order contains itself, at result.order.lines[0].order. Store an id in place of the reference",
    );
    const self: unknown[] = [];
    self.push(self);
    expect(refusal(self).message).toMatch(/^result contains itself, at result\[0\]/);
    const map = new Map<string, unknown>();
    map.set("me", map);
    expect(refusal({ a: map }).message).toMatch(/^result\.a contains itself, at result\.a\.get\("me"\)/);
  });
});

describe("the depth of a value", () => {
  const nest = (levels: number, core: unknown, wrap: (inner: unknown) => unknown): unknown => {
    let value = core;
    for (let level = 0; level < levels; level++) value = wrap(value);
    return value;
  };
  const wraps: Readonly<Record<string, (inner: unknown) => unknown>> = {
    arrays: (inner) => [inner],
    objects: (inner) => ({ a: inner }),
    "escaped objects": (inner) => ({ $a: inner }),
    maps: (inner) => new Map([["a", inner]]),
    sets: (inner) => new Set([inner]),
  };
  test.each(Object.entries(wraps))("may be 64 levels of %s, not 65", (_, wrap) => {
    for (const core of [1, undefined, 5n, -0]) {
      const deepest = nest(64, core, wrap);
      expect(roundTrip(deepest)).toStrictEqual(deepest);
    }
    const error = refusal(nest(65, 1, wrap));
    expect(error.code).toBe("VALUE_TOO_DEEP");
    expect(error.message).toMatch(/^result: expected at most 64 levels, found more at result/);
  });

  test("of a million levels is refused at once, not by a stack overflow", () => {
    expect(refusal(nest(1_000_000, 1, (inner) => [inner])).code).toBe("VALUE_TOO_DEEP");
    let message = "";
    try {
      fromWire(JSON.parse(`${"[".repeat(100_000)}1${"]".repeat(100_000)}`), 65);
    } catch (error) {
      message = (error as Error).message;
    }
    expect(message).toMatch(/more than 65 levels/);
  });
});

describe("the size of a value", () => {
  const small = { maxDepth: 64, maxBytes: 1_000 };
  test("is never counted higher than its text, so that nothing that fits is refused", () => {
    fc.assert(
      fc.property(storable, (value) => {
        const bytes = new TextEncoder().encode(text(value)).length;
        expect(() => toWire(value, "result", { maxDepth: 64, maxBytes: bytes })).not.toThrow();
      }),
      { numRuns: 500 },
    );
  });

  test("bounds the work, also for objects that unfold to more than they are", () => {
    let fans: unknown = "x";
    for (let level = 0; level < 60; level++) fans = [fans, fans];
    expect(refusal(fans, small).code).toBe("VALUE_TOO_LARGE");
    expect(refusal(new Array(10_000_000).fill(null), small).code).toBe("VALUE_TOO_LARGE");
    expect(refusal("x".repeat(1_000), small).message).toMatch(/^result: expected at most 1000 bytes, found more/);
    expect(refusal(new Uint8Array(100_000_000), small).code).toBe("VALUE_TOO_LARGE");
  });
});

describe("a hostile text", () => {
  const corrupt: readonly string[] = [
    '{"$x":0}',
    '{"$":0}',
    '{"$u":1}',
    '{"$z":null}',
    '{"$n":1}',
    '{"$n":"01"}',
    '{"$n":"-0"}',
    '{"$n":"1e3"}',
    `{"$n":"${"9".repeat(2_000)}"}`,
    '{"$d":"0"}',
    '{"$d":0.5}',
    '{"$d":9e15}',
    '{"$b":"***"}',
    '{"$b":5}',
    '{"$m":[1]}',
    '{"$m":{}}',
    '{"$s":{}}',
    '{"$o":{"a":1}}',
    '{"$o":{"$a":1,"b":2}}',
    '{"$o":[1]}',
    '{"$o":null}',
    "1e400",
    '{"a":[-1e400]}',
    '"\\u0000"',
    '"\\ud800"',
    '{"\\u0000":1}',
    '{"__proto__":{"polluted":1}}',
    '{"a":{"constructor":1}}',
    '{"prototype":1,"b":2}',
    '{"\\u0024x":1}',
  ];
  test.each(corrupt)("%s is VALUE_CORRUPT", (json) => {
    expect(() => fromWire(JSON.parse(json), 65)).toThrow(expect.objectContaining({ code: "VALUE_CORRUPT" }));
    expect(({} as { polluted?: unknown }).polluted).toBeUndefined();
  });

  test("of any JSON gives a value that can be stored again, or VALUE_CORRUPT", () => {
    fc.assert(
      fc.property(fc.json({ stringUnit: "binary" }), (json) => {
        try {
          const value = fromWire(JSON.parse(json), 65);
          expect(roundTrip(value)).toStrictEqual(value);
        } catch (error) {
          expect(error).toMatchObject({ code: "VALUE_CORRUPT" });
        }
      }),
    );
  });
});

describe("the canonical text", () => {
  const canonical = (value: unknown): string => canonicalText(value, "input", bounds);

  // Frozen with the fingerprints that are made of it.
  test("is frozen", () => {
    expect(
      canonical({
        b: [1, -0, "x"],
        a: { d: new Date(5), c: 2n },
        10: null,
        9: undefined,
        m: new Map([
          ["z", 1],
          ["a", 2],
        ]),
      }),
    ).toBe('{"10":null,"a":{"c":{"$n":"2"},"d":{"$d":5}},"b":[1,0,"x"],"m":{"$m":["z",1,"a",2]}}');
  });

  test("does not depend on the order of keys", () => {
    fc.assert(
      fc.property(fc.dictionary(keys, storable, { noNullPrototype: true }), (value) => {
        const reversed = Object.fromEntries(Object.entries(value).reverse());
        expect(canonical(reversed)).toBe(canonical(value));
      }),
    );
  });

  test("is the same for a value and for what is read back of it", () => {
    fc.assert(
      fc.property(storable, (value) => {
        expect(canonical(roundTrip(value))).toBe(canonical(value));
      }),
    );
  });

  test("equals only for values that differ in nothing but key order, -0 and undefined properties", () => {
    fc.assert(
      fc.property(storable, storable, (a, b) => {
        if (canonical(a) === canonical(b)) expect(normal(a)).toEqual(normal(b));
      }),
    );
  });
  const normal = (value: unknown): unknown => fromWire(JSON.parse(canonical(value)), 65);

  test("tells apart what JSON would not", () => {
    const all = [
      null,
      undefined,
      0,
      "0",
      0n,
      false,
      "",
      [],
      {},
      new Map(),
      new Set(),
      new Date(0),
      new Uint8Array(),
      [undefined],
      [null],
      { $u: 0 },
      { a: null },
    ];
    expect(new Set(all.map(canonical)).size).toBe(all.length);
  });

  test("takes -0 for 0, and an undefined property for an absent one", () => {
    expect(canonical({ a: -0 })).toBe(canonical({ a: 0 }));
    expect(canonical({ a: undefined })).toBe(canonical({}));
    expect(canonical([undefined])).not.toBe(canonical([]));
    expect(canonical({ $d: 1, x: undefined })).toBe(canonical({ $d: 1 }));
  });
});

// Checked by the compiler.
type Equal<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;
const same = <A, B>(_: Equal<A, B>): void => {};
interface Entity {
  id: string;
  createdAt: Date;
  total: bigint;
  readonly note?: string;
  save(): void;
  onSave?: () => void;
  [Symbol.iterator](): Iterator<number>;
}
test("the type of a stored value is that of what comes back", () => {
  same<Stored<Entity>, { id: string; createdAt: Date; total: bigint; readonly note?: string }>(true);
  same<Stored<Entity[]>, Stored<Entity>[]>(true);
  same<Stored<readonly [Entity, 5?]>, readonly [Stored<Entity>, 5?]>(true);
  same<Stored<{ a: Date; f(): void; m: Map<string, bigint> }>, { a: Date; m: ReadonlyMap<string, bigint> }>(true);
  same<Stored<Set<Entity>>, ReadonlySet<Stored<Entity>>>(true);
  same<Stored<Buffer>, Uint8Array<ArrayBuffer>>(true);
  same<Stored<"a" | 5 | undefined | null>, "a" | 5 | undefined | null>(true);
  same<Stored<void>, void>(true);
  same<Stored<unknown>, unknown>(true);
  same<Stored<{ a: unknown; b: undefined; c?: number }>, { a: unknown; b: undefined; c?: number }>(true);
  same<Stored<() => void>, never>(true);
  same<Stored<{ kind: "a"; f(): void } | { kind: "b" }>, { kind: "a" } | { kind: "b" }>(true);
  expect(true).toBe(true);
});
