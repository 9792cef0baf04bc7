import { expect, it } from "vitest";
import { createGraph } from "./graph.ts";
import { toMermaid } from "./mermaid.ts";

it("draws a definition as it reads, with guards, final states and names that Mermaid's ids cannot be", () => {
  const graph = createGraph(
    "order",
    "wait-pay",
    {
      "wait-pay": { on: { pay: "paid", cancel: "canceled" } },
      paid: {
        initial: "picking",
        onDone: "sent",
        on: { cancel: "canceled" },
        states: { picking: { on: { picked: { to: "ready", guard: "isWhole" } } }, ready: { final: true } },
      },
      sent: { final: true },
      canceled: { final: true },
    },
    { isWhole: () => true },
  );
  expect(toMermaid(graph)).toBe(`stateDiagram-v2
  [*] --> wait_pay
  state "wait-pay" as wait_pay
  wait_pay --> paid : pay
  wait_pay --> canceled : cancel
  state paid {
    [*] --> paid__picking
    state "picking" as paid__picking
    state "ready" as paid__ready
    paid__picking --> paid__ready : picked [isWhole]
    paid__ready --> [*]
  }
  paid --> canceled : cancel
  paid --> sent : done
  sent --> [*]
  canceled --> [*]
`);
});
