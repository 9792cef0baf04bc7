import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { arbitraryMachine } from "../../../test/machine/arbitrary-machine.ts";
import { orderStates } from "../../../test/machine/order.ts";
import { job } from "../define.ts";
import { decide } from "./decide.ts";
import { allEdges, createGraph, edgesFrom, eventsFrom, pairsOf } from "./graph.ts";

const order = createGraph("order", "waitPay", orderStates);
const target = (state: string, event: string): string | undefined => edgesFrom(order, state, event)?.[0]?.to;

describe("a definition, flattened", () => {
  it("has a state for each that a row can be in, main states without sub-states and sub-states", () => {
    expect(order.states.slice(0, 6)).toEqual([
      "waitPay",
      "paid.waitPick",
      "paid.picking",
      "paid.waitPack",
      "paid.packing",
      "paid.ready",
    ]);
    expect(order.initial).toBe("waitPay");
  });

  it("enters a main state by its first sub-state", () => {
    expect(target("waitPay", "pay")).toBe("paid.waitPick");
  });

  it("hands a main state's events down to its sub-states", () => {
    expect(target("paid.packing", "refund")).toBe("refunding");
    expect(eventsFrom(order, "paid.packing")).toEqual(["packed", "refund"]);
  });

  it("moves the main state on when a final sub-state is entered", () => {
    expect(edgesFrom(order, "paid.packing", "packed")).toEqual([
      { from: "paid.packing", event: "packed", to: "waitDeliver", through: ["paid.ready"], guard: null },
    ]);
  });

  it("lets a sub-state's event stand in place of its main state's", () => {
    const graph = createGraph("m", "a", {
      a: { initial: "x", on: { go: "b" }, states: { x: { on: { go: "y" } }, y: {} } },
      b: { final: true },
    });
    expect([edgesFrom(graph, "a.x", "go")?.[0]?.to, edgesFrom(graph, "a.y", "go")?.[0]?.to]).toEqual(["a.y", "b"]);
  });

  it("passes through one final sub-state after another", () => {
    const graph = createGraph("m", "a", {
      a: { on: { go: "b" } },
      b: { initial: "x", onDone: "c", states: { x: { final: true } } },
      c: { initial: "x", onDone: "d", states: { x: { final: true } } },
      d: { final: true },
    });
    expect(edgesFrom(graph, "a", "go")?.[0]).toMatchObject({ to: "d", through: ["b.x", "c.x"] });
    expect(pairsOf(graph)).toEqual([["a", "d"]]);
  });

  it("has for every state and event of a random definition what the definition says, read another way", () => {
    fc.assert(
      fc.property(arbitraryMachine, ({ initial, states, model }) => {
        const graph = createGraph("m", initial, states);
        for (const [from, byEvent] of model)
          expect(
            Object.fromEntries(eventsFrom(graph, from).map((event) => [event, edgesFrom(graph, from, event)?.[0]?.to])),
          ).toEqual(Object.fromEntries(byEvent));
        expect(new Set(pairsOf(graph).map(String))).toEqual(
          new Set(allEdges(graph).flatMap(({ from, to }) => (from === to ? [] : [String([from, to])]))),
        );
      }),
    );
  });
});

const work = { job: job("ship", {}, async () => {}), input: () => undefined };
const end = { final: true };
// Each: what is wrong, the definition, what the message says of it. The initial state is "a" throughout.
type Fault = readonly [what: string, states: object, message: RegExp, guards?: object];
const faults: readonly Fault[] = [
  [
    "a target that does not exist",
    { a: { on: { go: "bb" } }, bbb: end },
    /states\.a\.on\.go: there is no state "bb"\. Did you mean bbb\?/,
  ],
  ["an initial state that does not exist", { b: end }, /initial: there is no state "a"/],
  ["no state at all", {}, /states: expected at least one state/],
  ["a state that cannot be reached", { a: { on: { go: "b" } }, b: end, c: end }, /state c cannot be reached from a/],
  [
    "a sub-state that cannot be reached",
    { a: { initial: "x", on: { go: "b" }, states: { x: {}, y: {} } }, b: end },
    /state a\.y cannot be reached/,
  ],
  [
    "a circle of states that cannot be reached",
    { a: end, b: { on: { go: "c" } }, c: { on: { go: "b" } } },
    /state b cannot be reached/,
  ],
  [
    "a dead end",
    { a: { on: { go: "b" } }, b: {} },
    /nothing leads out of state b; give it an event, or mark it final: true/,
  ],
  [
    "a dead end in a sub-state",
    { a: { initial: "x", states: { x: { on: { go: "y" } }, y: {} } } },
    /nothing leads out of state a\.y/,
  ],
  [
    "a final sub-state that nothing follows",
    { a: { initial: "x", states: { x: { on: { go: "y" } }, y: end } } },
    /nothing leads out of a\.y, the end of a; give a an onDone/,
  ],
  ["a final state with events", { a: { final: true, on: { go: "a" } } }, /states\.a: a final state takes no events/],
  [
    "a final state with sub-states",
    { a: { final: true, initial: "x", states: { x: {} } } },
    /a state with sub-states cannot be final/,
  ],
  [
    "an initial sub-state that does not exist",
    { a: { initial: "z", states: { x: {} } } },
    /states\.a\.initial: expected one of x, found "z"/,
  ],
  ["no initial sub-state", { a: { states: { x: {} } } }, /states\.a\.initial: expected one of x, found undefined/],
  [
    "an onDone that nothing comes to",
    { a: { initial: "x", on: { go: "b" }, onDone: "b", states: { x: {} } }, b: end },
    /onDone: no sub-state of a is final/,
  ],
  [
    "an onDone round in a circle",
    { a: { initial: "x", onDone: "a", states: { x: end } } },
    /onDone leads round in a circle: a\.x → a\.x/,
  ],
  [
    "a third level",
    { a: { initial: "x", states: { x: { initial: "y", states: { y: {} } } } } },
    /expected at most two levels/,
  ],
  ["a name with a dot", { a: { on: { go: "b.c" } }, "b.c": end }, /states\.b\.c: expected a name/],
  ["an event's name with a space", { a: { on: { "go on": "a" } } }, /expected a name of 1 to 64 letters/],
  ["an unknown option", { a: { entri: {} } }, /unknown option "entri"\. Did you mean entry\?/],
  [
    "a sub-state and a main state of one name",
    { a: { initial: "x", states: { x: { on: { go: "b" } }, b: { on: { go: "x" } } } }, b: end },
    /"b" is a sub-state of a and a main state/,
  ],
  [
    "a guard that is not given",
    { a: { on: { go: { to: "a", guard: "isFine" } } } },
    /expected a guard "isFine" in guards/,
  ],
  ["a guard that is not used", { a: { on: { go: "a" } } }, /no event names this guard/, { isFine: () => true }],
  [
    "a guard that is no function",
    { a: { on: { go: { to: "a", guard: "isFine" } } } },
    /guards\.isFine: expected a function/,
    { isFine: true },
  ],
  [
    "a target behind one without a guard",
    { a: { on: { go: ["a", { to: "b", guard: "g" }] } }, b: end },
    /can never be taken/,
    { g: () => true },
  ],
  ["an empty list of targets", { a: { on: { go: [] } } }, /expected a target, found an empty list/],
  [
    "work that ends by another state's event",
    { a: { on: { go: "b" }, work: { ...work, done: "gone" } }, b: end },
    /work\.done: expected an event of a \(go\), found "gone"/,
  ],
  [
    "work that is no job",
    { a: { on: { go: "b" }, work: { ...work, job: {}, done: "go" } }, b: end },
    /expected a job made with job/,
  ],
  ["entry data that is no function", { a: { on: { go: "a" }, entry: {} } }, /entry: expected a function/],
];

describe("a definition that cannot be", () => {
  it.each(faults.map(([what, ...fault]) => [what, fault] as const))(
    "is refused: %s",
    (_what, [states, message, guards]) => {
      expect(() => createGraph("order", "a", states, guards as never)).toThrow(
        expect.objectContaining({ code: "OPTION_INVALID", message: expect.stringMatching(message) }),
      );
      expect(() => createGraph("order", "a", states, guards as never)).toThrow(/^machine order: /);
    },
  );
});

describe("deciding what becomes of an event", () => {
  const asked = { state: undefined, version: undefined, event: "cancel" };
  const never = (): boolean => false;

  it("moves by the row's state", () => {
    expect(decide(order, asked, { state: "waitDeliver", version: null }, never)).toMatchObject({
      kind: "move",
      edge: { to: "canceled" },
    });
  });
  it("refuses what is illegal there, and says what is legal", () => {
    expect(decide(order, asked, { state: "delivered", version: null }, never)).toEqual({
      kind: "illegal",
      legal: ["complete", "refund"],
    });
  });
  it("calls it stale before it calls it illegal, if the caller saw another state or version", () => {
    expect(decide(order, { ...asked, state: "waitPay" }, { state: "delivered", version: null }, never)).toEqual({
      kind: "stale",
    });
    expect(decide(order, { ...asked, version: 3 }, { state: "waitPay", version: 4 }, never)).toEqual({ kind: "stale" });
    expect(decide(order, { ...asked, version: 4 }, { state: "waitPay", version: 4 }, never).kind).toBe("move");
  });
  it("takes the first target whose guard agrees, asks no guard behind it, and names the last that refused", () => {
    const graph = createGraph(
      "m",
      "a",
      {
        a: {
          on: {
            go: [
              { to: "b", guard: "one" },
              { to: "c", guard: "two" },
            ],
          },
        },
        b: end,
        c: end,
      },
      { one: never, two: never },
    );
    const at = { state: "a", version: null };
    const go = { ...asked, event: "go" };
    const askedFor: string[] = [];
    expect(decide(graph, go, at, (guard) => askedFor.push(guard) > 0)).toMatchObject({ edge: { to: "b" } });
    expect(askedFor).toEqual(["one"]);
    expect(decide(graph, go, at, (guard) => guard === "two")).toMatchObject({ edge: { to: "c" } });
    expect(decide(graph, go, at, never)).toEqual({ kind: "guarded", guard: "two" });
  });
});
