import { describe, expect, test } from "vitest";
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
  RefusedError,
  StoreConflictError,
  StoredFailure,
  StoreOutcomeUnknownError,
  StorePoisonError,
  StoreUnavailableError,
  ValueCorruptError,
} from "./errors.ts";
import { toStoredError } from "./stored-error.ts";

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

test("a value is described by its kind, never by its content", () => {
  expect(describeValue({ card: 1 })).toBe("an object");
  expect(describeValue(new Date(0))).toBe("an object (Date)");
  expect(describeValue("x".repeat(100))).toHaveLength(63);
  expect(describeValue(-0)).toBe("-0");
  expect(new CatalogError("APP_CLOSED", "closed", { a: 1 }).details).toEqual({ a: 1 });
});
