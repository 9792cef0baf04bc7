import { describe, expect, it } from "vitest";
import { stepHeaders } from "../../src/core/step-headers.ts";

describe("stepHeaders", () => {
  const identity = {
    executionId: "0195f2a0-0000-7000-8000-000000000000",
    step: "take stock:A-17",
    role: "action",
    round: 2,
    key: "mg1-abc",
  } as const;

  it("has these names and values, for good", () => {
    expect(stepHeaders(identity)).toEqual({
      "makegood-execution": "0195f2a0-0000-7000-8000-000000000000",
      "makegood-step": "take%20stock%3AA-17",
      "makegood-role": "action",
      "makegood-round": "2",
      "idempotency-key": "mg1-abc",
    });
  });

  it("carries any step name as printable ASCII that decodes to the same, through a real Headers object", () => {
    for (const step of ["库存:Ä %41", "emoji \u{1f600}", "a\tb", "x".repeat(401)]) {
      const headers = new Headers(stepHeaders({ ...identity, step }));
      const sent = headers.get("makegood-step") ?? "";
      expect(sent).toMatch(/^[\x21-\x7e]+$/);
      expect(decodeURIComponent(sent)).toBe(step);
    }
  });
});
