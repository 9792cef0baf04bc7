import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { createValueFormat } from "./envelope.ts";
import {
  assertNever,
  CatalogError,
  CodedError,
  describeValue,
  ExecutionNotSuccessfulError,
  ExecutionStateError,
  ExecutionUnknownError,
  errorCatalog,
  fromStoredError,
  InputError,
  InvariantError,
  isCodedError,
  isErrorCode,
  isRefusal,
  KeyExistsError,
  KeyInputMismatchError,
  LeaseLostError,
  NonRetryableError,
  OptionError,
  parseStoredError,
  RefusedError,
  StepTimedOutError,
  StoreConflictError,
  type StoredError,
  StoredFailure,
  StoreOutcomeUnknownError,
  StorePoisonError,
  StoreUnavailableError,
  toStoredError,
  ValueCorruptError,
} from "./errors.ts";

const format = createValueFormat();

describe("the catalog", () => {
  test("says for every code what it means and what to do, in whole sentences", () => {
    for (const [code, entry] of Object.entries(errorCatalog)) {
      expect(code).toMatch(/^[A-Z][A-Z0-9_]{2,40}$/);
      expect(entry.meaning).toMatch(/^[A-Z`].*\.$/);
      expect(entry.whatToDo).toMatch(/^[A-Z`].*\.$/);
    }
  });

  // Public: a code that vanishes or changes its traits breaks programs that read it. Add, never change.
  test("keeps its codes and their traits", () => {
    const lines = Object.entries(errorCatalog).map(
      ([code, { retryable, effect }]) => `${code} ${retryable ? "retry" : "final"} ${effect}`,
    );
    expect(lines.sort()).toMatchInlineSnapshot(`
      [
        "APP_CLOSED final none",
        "ATTEMPTS_EXHAUSTED final unknown",
        "CALL_HEADERS_INVALID final none",
        "CANCELED final unknown",
        "CHILD_FAILED final unknown",
        "COMPENSATION_FAILED final unknown",
        "CRON_INVALID final none",
        "DISCARDED final unknown",
        "ERROR retry unknown",
        "EVENT_ID_REUSED final none",
        "EXECUTION_NOT_SUCCESSFUL final unknown",
        "EXECUTION_STATE final none",
        "EXECUTION_UNKNOWN final none",
        "GUARD_REFUSED final none",
        "INPUT_INVALID final none",
        "INVARIANT final unknown",
        "JOB_DUPLICATE final none",
        "JOB_NAME_INVALID final none",
        "JOB_UNKNOWN final none",
        "KEY_EXISTS final none",
        "KEY_INPUT_MISMATCH final none",
        "KEY_INVALID final none",
        "KEY_IN_PROGRESS retry none",
        "KILLED final unknown",
        "LEASE_LOST final unknown",
        "LOCK_LOST final unknown",
        "MESSAGE_BLOCKED final unknown",
        "MESSAGE_ID_REUSED final none",
        "MESSAGE_POISON final unknown",
        "MESSAGE_UNKNOWN final none",
        "NON_RETRYABLE final unknown",
        "NOT_MADE_GOOD final unknown",
        "NO_PROGRESS final unknown",
        "OPTION_INVALID final none",
        "PARTICIPANT_NOT_MIGRATED final none",
        "PARTS_INVALID final none",
        "PIVOT_MISUSE final none",
        "RECORD_LEASE_LOST retry unknown",
        "RECORD_MANUAL final none",
        "RECORD_STATE final none",
        "REFUSED final none",
        "ROW_MISSING final none",
        "SCHEDULE_DECLARED final none",
        "SCHEDULE_EXISTS final none",
        "SCHEDULE_FOLLOWED final none",
        "SCHEDULE_LOOP final none",
        "SCHEDULE_UNKNOWN final none",
        "SIGNAL_REFUSED final none",
        "STATE_STALE final none",
        "STATE_UNKNOWN final none",
        "STATE_UNMAPPED final none",
        "STEP_ASYNC_BODY final none",
        "STEP_DRIFT final unknown",
        "STEP_LIMIT final none",
        "STEP_NAME_INVALID final none",
        "STEP_NAME_REUSED final none",
        "STEP_TIMED_OUT retry unknown",
        "STORE_CONFLICT retry none",
        "STORE_OUTCOME_UNKNOWN retry unknown",
        "STORE_POISON final none",
        "STORE_SCHEMA final none",
        "STORE_UNAVAILABLE retry none",
        "STORE_UNSUITABLE final none",
        "TIMED_OUT final unknown",
        "TRANSACTION_REQUIRED final none",
        "TRANSITION_ILLEGAL final none",
        "TRY_MISSING final none",
        "VALUE_CORRUPT final none",
        "VALUE_SEAL_FAILED retry unknown",
        "VALUE_TOO_DEEP final unknown",
        "VALUE_TOO_LARGE final unknown",
        "VALUE_UNSUPPORTED final unknown",
      ]
    `);
  });

  test("knows its own codes and no member of Object.prototype", () => {
    expect(isErrorCode("LEASE_LOST")).toBe(true);
    expect(isErrorCode("constructor")).toBe(false);
  });
});

describe("an error", () => {
  test("carries code, details and traits of the catalog, and its class in name and stack", () => {
    const error = new LeaseLostError("e-1", 7);
    expect(error).toBeInstanceOf(CodedError);
    expect(error).toMatchObject({
      code: "LEASE_LOST",
      retryable: false,
      effect: "unknown",
      details: { executionId: "e-1", token: 7 },
    });
    expect(error.name).toBe("LeaseLostError");
    expect(error.stack).toMatch(/^LeaseLostError: Execution e-1 is no longer held with token 7/);
  });

  test("lets a subclass set its name, as subclasses do", () => {
    class OutOfStock extends RefusedError {
      constructor() {
        super("none left", { code: "OUT_OF_STOCK" });
        this.name = "OutOfStock!";
      }
    }
    const error = new OutOfStock();
    expect(error.name).toBe("OutOfStock!");
    expect(Object.keys(error)).not.toContain("name");
    expect(isRefusal(error)).toBe(true);
    expect(error).toMatchObject({ code: "OUT_OF_STOCK", effect: "none", retryable: false });
  });

  test("has a cause only where one was given", () => {
    expect("cause" in new OptionError("a", "b")).toBe(false);
    expect("cause" in new NonRetryableError("b")).toBe(false);
    const cause = new Error("deeper");
    expect(new NonRetryableError("b", { cause }).cause).toBe(cause);
  });

  test("thrown by users ends attempts; only a refusal says that nothing happened", () => {
    expect(new NonRetryableError("no")).toMatchObject({ code: "NON_RETRYABLE", retryable: false, effect: "unknown" });
    expect(new RefusedError("no")).toMatchObject({ code: "REFUSED", retryable: false, effect: "none" });
    expect(new RefusedError("no")).toBeInstanceOf(NonRetryableError);
    expect([isRefusal(new RefusedError("no")), isRefusal(new NonRetryableError("no"))]).toEqual([true, false]);
  });

  // Store errors are made by adapters, which hand in message and details.
  const made: readonly (readonly [CodedError, string, string])[] = [
    [new OptionError("a", "b"), "OPTION_INVALID", "none"],
    [new InputError("a", { what: "input", issues: [], issueCount: 0 }), "INPUT_INVALID", "none"],
    [new KeyExistsError({ job: "pay", key: "A", executionId: "e" }), "KEY_EXISTS", "none"],
    [new ExecutionUnknownError("e"), "EXECUTION_UNKNOWN", "none"],
    [
      new ExecutionStateError("a", { executionId: "e", state: "completed", command: "cancel" }),
      "EXECUTION_STATE",
      "none",
    ],
    [new ValueCorruptError("a", {}), "VALUE_CORRUPT", "none"],
    [new StoreUnavailableError("a", {}), "STORE_UNAVAILABLE", "none"],
    [new StoreConflictError("a", {}), "STORE_CONFLICT", "none"],
    [new StoreOutcomeUnknownError("a", {}), "STORE_OUTCOME_UNKNOWN", "unknown"],
    [new StorePoisonError("a", {}), "STORE_POISON", "none"],
    [new InvariantError("a"), "INVARIANT", "unknown"],
  ];
  test.each(made)("of a class of its own has that class's code: %o", (error, code, effect) => {
    expect(error).toMatchObject({ code, effect });
    expect(error).toBeInstanceOf(CatalogError);
    expect(isCodedError(error)).toBe(true);
    expect(isRefusal(error)).toBe(false);
  });

  test("of another call that did nothing is no refusal of the step it escapes from", () => {
    const refusedElsewhere = toStoredError(new RefusedError("no"));
    for (const thrown of [new OptionError("a", "b"), fromStoredError(refusedElsewhere), { effect: "none" }, undefined])
      expect(isRefusal(thrown)).toBe(false);
  });

  test("of another copy of this package is recognized", () => {
    const foreign = Object.assign(new Error("no stock"), {
      code: "NO_STOCK",
      retryable: false,
      effect: "none",
      [Symbol.for("makegood.error")]: "refused",
    });
    expect(isCodedError(foreign)).toBe(true);
    expect(isRefusal(foreign)).toBe(true);
    expect(toStoredError(foreign)).toEqual({ code: "NO_STOCK", message: "no stock", retryable: false, effect: "none" });
  });

  test("with an unfit code of the user's falls back to the default, live as in the record", () => {
    for (const code of ["", "lower", "A B", "X".repeat(65)]) {
      expect(new NonRetryableError("no", { code }).code).toBe("NON_RETRYABLE");
      expect(new RefusedError("no", { code }).code).toBe("REFUSED");
    }
  });

  test("names both fingerprints where a key met another input", () => {
    const error = new KeyInputMismatchError({ job: "pay", key: "A-17", recorded: "1aaa", given: "1bbb" });
    expect(error.message).toMatch(/^pay: .*"A-17".*1aaa.*1bbb.*new key/);
  });

  test("of an execution without success leads to the recorded failure", () => {
    const stored = toStoredError(new RefusedError("no stock", { code: "NO_STOCK" }));
    const error = new ExecutionNotSuccessfulError("e-1", "compensated", stored);
    expect(error.message).toBe("Execution e-1 ended as compensated: NO_STOCK: no stock");
    expect(error.cause).toBeInstanceOf(StoredFailure);
    expect("cause" in new ExecutionNotSuccessfulError("e-1", "discarded", null)).toBe(false);
  });

  test("assertNever is an InvariantError", () => {
    expect(() => assertNever("surprise" as never)).toThrow(InvariantError);
  });
});

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

test("a value is described by its kind, never by its content", () => {
  expect(describeValue({ card: 1 })).toBe("an object");
  expect(describeValue(new Date(0))).toBe("an object (Date)");
  expect(describeValue("x".repeat(100))).toHaveLength(63);
  expect(describeValue(-0)).toBe("-0");
  expect(new CatalogError("APP_CLOSED", "closed", { a: 1 }).details).toEqual({ a: 1 });
});
