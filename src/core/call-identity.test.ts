import { describe, expect, it } from "vitest";
import { fromHeaders } from "./call-identity.ts";
import { stepHeaders } from "./step-headers.ts";

const identity = {
  executionId: "0195f2a0-0000-7000-8000-000000000000",
  step: "take stock:库存 %41/ä",
  role: "compensation",
  round: 2,
  key: "mg1-abc",
} as const;
const sent = stepHeaders(identity);

describe("fromHeaders", () => {
  it.each([
    ["a Request of the Fetch API", new Request("http://127.0.0.1/", { headers: sent })],
    ["a Headers object", new Headers(sent)],
    ["a request of Node's server", { headers: { ...sent, host: "127.0.0.1" } }],
    ["a plain object", sent],
  ])("reads back what step.headers() wrote, from %s", (_source, source) => {
    expect(fromHeaders(source)).toEqual(identity);
  });

  it.each([
    ["makegood-execution", undefined],
    ["makegood-execution", "not an id"],
    ["makegood-step", ""],
    ["makegood-step", "%E0%A4%A"],
    ["makegood-step", "a%00b"],
    ["makegood-step", "x".repeat(1_300)],
    ["makegood-role", "owner"],
    ["makegood-role", "due"],
    ["makegood-round", "-1"],
    ["makegood-round", "1.5"],
    ["makegood-round", "1e3"],
    ["idempotency-key", "with space"],
    ["idempotency-key", ["twice", "sent"]],
  ])("refuses %s: %j, and names the header", (name, value) => {
    const headers: Record<string, string | string[] | undefined> = { ...sent, [name]: value };
    expect(() => fromHeaders({ headers })).toThrow(
      expect.objectContaining({
        code: "CALL_HEADERS_INVALID",
        message: expect.stringContaining(name),
        details: { header: name },
      }),
    );
  });

  it("refuses what is no request", () => {
    expect(() => fromHeaders(null as never)).toThrow(expect.objectContaining({ code: "OPTION_INVALID" }));
  });
});
