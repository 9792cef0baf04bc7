import { describe, expect, it } from "vitest";
import { CatalogError, InputError, StoreUnavailableError } from "../core/errors.ts";
import { toStoredError } from "../core/stored-error.ts";
import { afterFailure, afterLook } from "./verdicts.ts";

describe("what becomes of a message that was not delivered", () => {
  it("is given back when this process stops or the store is away", () => {
    expect(afterFailure(3, new CatalogError("APP_CLOSED", "stopped", {}))).toEqual({ kind: "released" });
    expect(afterFailure(3, new StoreUnavailableError("away", {}))).toEqual({ kind: "released" });
  });

  it("is dead at once when repeating cannot help", () => {
    const refused = new InputError("no id", { what: "input", issues: [], issueCount: 0 });
    expect(afterFailure(0, refused)).toMatchObject({ kind: "dead", error: { code: "INPUT_INVALID" } });
    expect(afterFailure(0, new CatalogError("STORE_POISON", "U+0000", {}))).toMatchObject({ kind: "dead" });
  });

  it("is tried again with growing pauses, at most a minute, and is dead after the tenth failure", () => {
    const verdicts = Array.from({ length: 10 }, (_, failsBefore) => afterFailure(failsBefore, new Error("not yet")));
    const delays = verdicts.map((verdict) => (verdict.kind === "retry" ? verdict.delayMs / 1_000 : verdict.kind));
    expect(delays).toEqual([1, 2, 4, 8, 16, 32, 60, 60, 60, "dead"]);
  });
});

describe("what the executions of an ordered message say", () => {
  const executions = [
    { id: "1", job: "a", key: "k" },
    { id: "2", job: "b", key: "k" },
  ];
  const error = toStoredError(new Error("no stock"));
  const [completed, open, failed] = [
    { kind: "completed" },
    { kind: "open", id: "3" },
    { kind: "failed", error },
  ] as const;
  const look = (isBlocked: boolean, ...standings: Parameters<typeof afterLook>[1]) =>
    afterLook({ executions, isBlocked }, standings);

  it("is done when all have completed", () => {
    expect(look(false, completed, completed)).toEqual({ kind: "done" });
    expect(look(true, completed, completed)).toEqual({ kind: "done" });
  });

  it("is nothing new while one runs", () => {
    expect(look(false, completed, open)).toBeNull();
  });

  it("is blocked by one that failed, told once", () => {
    expect(look(false, open, failed)).toEqual({ kind: "blocked", executions, error });
    expect(look(true, open, failed)).toBeNull();
  });

  it("goes on with the newest round of one that was restarted", () => {
    const [first, second] = executions;
    expect(look(true, completed, open)).toEqual({ kind: "started", executions: [first, { ...second, id: "3" }] });
  });
});
