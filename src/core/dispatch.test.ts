import { describe, expect, it } from "vitest";
import { mayRetry, type Retries } from "./dispatch.ts";
import type { EndedRunState } from "./executors.ts";
import type { RemoteCall } from "./schedule/definition.ts";

const may = (retries: Retries, ...ends: readonly EndedRunState[]): boolean => mayRetry(ends, { retries } as RemoteCall);

describe("mayRetry", () => {
  it("counts attempts in all, whatever went wrong, but never after success or a person's kill", () => {
    expect([may(2, "failed"), may(2, "failed", "lost"), may(2, "failed", "lost", "timed-out")]).toEqual([
      true,
      true,
      false,
    ]);
    expect([may(9, "completed"), may(9, "killed"), may(0, "failed")]).toEqual([false, false, false]);
  });

  it("counts each kind of end by itself, and retries none that is left out", () => {
    const retries = { failed: 1, lost: 2 };
    expect(may(retries, "failed", "lost", "lost")).toBe(true);
    expect(may(retries, "lost", "lost", "lost")).toBe(false);
    expect(may(retries, "failed", "lost", "failed")).toBe(false);
    expect([may(retries, "timed-out"), may(retries, "refused"), may(retries, "killed")]).toEqual([false, false, false]);
    expect([may({ killed: 1 }, "killed"), may({ killed: 1 }, "killed", "killed")]).toEqual([true, false]);
  });
});
