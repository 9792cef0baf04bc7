import { describe, expect, it } from "vitest";
import { StoreConflictError } from "../../core/errors.ts";
import { DeadlineError, isDuplicate, leavesSessionSound, type Stage, serverErrorOf, storeError } from "./errors.ts";

const answered = (errno: number) =>
  Object.assign(new Error(`said ${errno}`), { errno, code: "ER_SOMETHING", sqlState: "HY000", sql: "SELECT 'secret'" });
const system = (code: string) => Object.assign(new Error(code), { code, errno: -104 });
const stages: readonly Stage[] = ["before-commit", "committing-statement", "commit"];

describe("what an error says", () => {
  it.each([
    [1213, "STORE_CONFLICT"],
    [1205, "STORE_CONFLICT"],
    [1020, "STORE_CONFLICT"],
    [1062, "STORE_CONFLICT"],
    [1969, "STORE_CONFLICT"],
    [1040, "STORE_UNAVAILABLE"],
    [1045, "STORE_UNAVAILABLE"],
    [1290, "STORE_UNAVAILABLE"],
    [1406, "STORE_POISON"],
    [1366, "STORE_POISON"],
    [1153, "STORE_POISON"],
    [1146, "STORE_SCHEMA"],
    [1142, "STORE_UNSUITABLE"],
    [1064, "INVARIANT"],
  ])(
    "%i is %s of a statement, even of one that commits by itself: the server answered that it did not",
    (number, code) => {
      expect(storeError(answered(number), "before-commit").code).toBe(code);
      expect(storeError(answered(number), "committing-statement").code).toBe(code);
    },
  );

  it("COMMIT itself is unknown whatever comes, but for a conflict, which rolled back", () => {
    for (const number of [1053, 1290, 1406, 1062, 1064])
      expect(storeError(answered(number), "commit").code).toBe("STORE_OUTCOME_UNKNOWN");
    expect(storeError(answered(1213), "commit").code).toBe("STORE_CONFLICT");
  });

  it.each([1053, 1158, 1927, 4031])("%i: the session ended, so what was committing is unknown", (number) => {
    expect(stages.map((stage) => storeError(answered(number), stage).code)).toEqual([
      "STORE_UNAVAILABLE",
      "STORE_OUTCOME_UNKNOWN",
      "STORE_OUTCOME_UNKNOWN",
    ]);
    expect(leavesSessionSound(answered(number))).toBe(false);
  });

  it.each(["ECONNREFUSED", "ECONNRESET", "EPIPE", "PROTOCOL_CONNECTION_LOST"])(
    "%s is no answer of the server's",
    (code) => {
      expect(serverErrorOf(system(code))).toBeUndefined();
      expect(storeError(system(code), "before-commit").code).toBe("STORE_UNAVAILABLE");
      expect(storeError(system(code), "committing-statement").code).toBe("STORE_OUTCOME_UNKNOWN");
      expect(storeError(system(code), "commit").code).toBe("STORE_OUTCOME_UNKNOWN");
    },
  );

  it("no answer in time is as no answer at all", () => {
    expect(storeError(new DeadlineError(5), "before-commit").code).toBe("STORE_UNAVAILABLE");
    expect(storeError(new DeadlineError(5), "commit").code).toBe("STORE_OUTCOME_UNKNOWN");
  });

  it("a mistake of ours is no trouble of the server's", () => {
    expect(storeError(new TypeError("x is undefined"), "commit").code).toBe("INVARIANT");
  });

  it("errors of the catalog pass as they are", () => {
    const error = new StoreConflictError("again", {});
    expect(storeError(error, "commit")).toBe(error);
  });

  it("the statement, which holds values, is on no error", () => {
    for (const number of [1213, 1062, 1406, 1146, 1064, 1040])
      for (const stage of stages) {
        const { message, details, cause } = storeError(answered(number), stage);
        expect(JSON.stringify([message, details, cause])).not.toContain("secret");
      }
  });

  it("what shows values in its message is told without it", () => {
    for (const number of [1062, 1366, 1406]) {
      const error = Object.assign(answered(number), { message: "Duplicate entry 'secret' for key" });
      const { message, cause } = storeError(error, "before-commit");
      expect(message).not.toContain("secret");
      expect(cause).toBeUndefined();
    }
  });

  it("only a duplicate is a duplicate", () => {
    expect(isDuplicate(storeError(answered(1062), "before-commit"))).toBe(true);
    expect(isDuplicate(storeError(answered(1213), "before-commit"))).toBe(false);
    expect(isDuplicate(answered(1062))).toBe(false);
  });

  it("only what the server answered without ending it leaves a session sound", () => {
    expect(leavesSessionSound(answered(1213))).toBe(true);
    expect(leavesSessionSound(answered(1153))).toBe(false);
    expect(leavesSessionSound(system("ECONNRESET"))).toBe(false);
    expect(leavesSessionSound(new DeadlineError(5))).toBe(false);
  });
});
