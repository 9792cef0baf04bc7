import { describe, expect, it } from "vitest";
import { StoreConflictError } from "../../core/errors.ts";
import { DeadlineError, leavesSessionSound, sqlStateOf, storeError } from "./errors.ts";

const answered = (code: string) => Object.assign(new Error(`said ${code}`), { code, severity: "ERROR" });
const system = (code: string) => Object.assign(new Error(code), { code });

describe("what an error says", () => {
  it.each([
    ["40001", "STORE_CONFLICT"],
    ["40P01", "STORE_CONFLICT"],
    ["55P03", "STORE_CONFLICT"],
    ["57014", "STORE_CONFLICT"],
    ["53300", "STORE_UNAVAILABLE"],
    ["53100", "STORE_UNAVAILABLE"],
    ["25006", "STORE_UNAVAILABLE"],
    ["28P01", "STORE_UNAVAILABLE"],
    ["22021", "STORE_POISON"],
    ["22P05", "STORE_POISON"],
    ["22001", "STORE_POISON"],
    ["54000", "STORE_POISON"],
    ["23514", "STORE_POISON"],
    ["42P01", "STORE_SCHEMA"],
    ["3F000", "STORE_SCHEMA"],
    ["42501", "STORE_UNSUITABLE"],
    ["26000", "STORE_UNSUITABLE"],
    ["P0001", "INVARIANT"],
  ])("%s is %s, whether a commit was under way or not: the server answered that it rolled back", (state, code) => {
    expect(storeError(answered(state), "before-commit").code).toBe(code);
    expect(storeError(answered(state), "committing").code).toBe(code);
  });

  it.each(["57P01", "57P02", "57P03", "08006", "08P01", "25P03", "58030", "XX000"])(
    "%s: the session ended, so a commit under way is unknown",
    (state) => {
      expect(storeError(answered(state), "before-commit").code).toBe("STORE_UNAVAILABLE");
      expect(storeError(answered(state), "committing").code).toBe("STORE_OUTCOME_UNKNOWN");
      expect(leavesSessionSound(answered(state))).toBe(false);
    },
  );

  it.each(["ECONNREFUSED", "ECONNRESET", "EPIPE", "ETIMEDOUT"])("%s, though EPIPE looks like a SQLSTATE", (code) => {
    expect(sqlStateOf(system(code))).toBeUndefined();
    expect(storeError(system(code), "before-commit").code).toBe("STORE_UNAVAILABLE");
    expect(storeError(system(code), "committing").code).toBe("STORE_OUTCOME_UNKNOWN");
  });

  it("no answer in time is as no answer at all", () => {
    expect(storeError(new DeadlineError(5), "before-commit").code).toBe("STORE_UNAVAILABLE");
    expect(storeError(new DeadlineError(5), "committing").code).toBe("STORE_OUTCOME_UNKNOWN");
  });

  it("a mistake of ours is no trouble of the server's", () => {
    expect(storeError(new TypeError("x is undefined"), "committing").code).toBe("INVARIANT");
  });

  it("errors of the catalog pass as they are", () => {
    const error = new StoreConflictError("again", {});
    expect(storeError(error, "committing")).toBe(error);
  });

  it("values stay out of message and details", () => {
    const error = Object.assign(answered("23505"), { detail: "Key (key)=(secret) already exists." });
    const { message, details } = storeError(error, "committing");
    expect(JSON.stringify([message, details])).not.toContain("secret");
  });

  it("only what the server answered without ending it leaves a session sound", () => {
    expect(leavesSessionSound(answered("40001"))).toBe(true);
    expect(leavesSessionSound(answered("0A000"))).toBe(false);
    expect(leavesSessionSound(system("ECONNRESET"))).toBe(false);
    expect(leavesSessionSound(new DeadlineError(5))).toBe(false);
  });
});
