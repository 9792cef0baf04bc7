import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { createActor, createMachine, getInitialSnapshot, getNextSnapshot, setup } from "xstate";
import { arbitraryMachine, events } from "../../../test/machine/arbitrary-machine.ts";
import { orderStates } from "../../../test/machine/order.ts";
import { createGraph, edgesFrom, type Graph } from "./graph.ts";
import { fromXState, toXState } from "./xstate.ts";

/** The state that XState is in, as one text. */
function pathOf(value: unknown): string {
  if (typeof value === "string") return value;
  const [[main, sub] = []] = Object.entries(value as object);
  return `${main}.${pathOf(sub)}`;
}

/** XState, and ours, after each of the events. XState keeps silent about illegal ones: the state stays. */
function both(graph: Graph, sequence: readonly string[]): { readonly xstate: string[]; readonly ours: string[] } {
  const machine = createMachine(toXState(graph) as never);
  let snapshot = getInitialSnapshot(machine);
  let at = graph.initial;
  const xstate = [pathOf(snapshot.value)];
  const ours = [at];
  for (const type of sequence) {
    snapshot = getNextSnapshot(machine, snapshot, { type });
    xstate.push(pathOf(snapshot.value));
    at = edgesFrom(graph, at, type)?.[0]?.to ?? at;
    ours.push(at);
  }
  return { xstate, ours };
}

describe("the export to XState", () => {
  it("makes a machine that moves as ours does, for any definition and any events", () => {
    fc.assert(
      fc.property(arbitraryMachine, fc.array(fc.constantFrom(...events), { maxLength: 30 }), (machine, sequence) => {
        const { xstate, ours } = both(createGraph("m", machine.initial, machine.states), sequence);
        expect(ours).toEqual(xstate);
      }),
    );
  });

  it("makes a machine that moves as ours does, for the example", () => {
    const names = [
      ...new Set(Object.values(orderStates).flatMap((state) => Object.keys("on" in state ? state.on : {}))),
    ];
    const inner = ["startPicking", "picked", "startPacking", "packed"];
    fc.assert(
      fc.property(fc.array(fc.constantFrom(...names, ...inner), { maxLength: 40 }), (sequence) => {
        const { xstate, ours } = both(createGraph("order", "waitPay", orderStates), sequence);
        expect(ours).toEqual(xstate);
      }),
    );
  });

  it("keeps guards by their names", () => {
    const guards = { isSmall: () => false };
    const states = { a: { on: { go: [{ to: "b", guard: "isSmall" }, "c"] } }, b: { final: true }, c: { final: true } };
    const config = toXState(createGraph("m", "a", states, guards));
    const actor = createActor(createMachine(config as never, { guards } as never)).start();
    actor.send({ type: "go" });
    expect(actor.getSnapshot().value).toBe("c");
  });
});

describe("the import from XState", () => {
  it("gives back what was exported, as the same graph", () => {
    fc.assert(
      fc.property(arbitraryMachine, ({ initial, states }) => {
        const graph = createGraph("m", initial, states);
        const imported = fromXState(createMachine(toXState(graph) as never));
        const again = createGraph("m", imported.initial, imported.states);
        expect([again.initial, again.edges]).toEqual([graph.initial, graph.edges]);
        expect([...again.finals].sort()).toEqual([...graph.finals].sort());
      }),
    );
  });

  it("reads a machine as people write it: siblings, children, ids, guards, setup", () => {
    const machine = setup({ guards: { isPaid: () => true } }).createMachine({
      id: "order",
      initial: "open",
      states: {
        open: {
          on: { pay: { target: "picking", guard: "isPaid" }, cancel: "end", jump: "picking.second", leap: "#there" },
        },
        picking: {
          initial: "first",
          onDone: "end",
          on: { restart: ".first" },
          states: {
            first: { on: { next: "second", abort: "#order.end" } },
            second: { id: "there", on: { next: [{ target: "done", guard: "isPaid" }, { target: "first" }] } },
            done: { type: "final" },
          },
        },
        end: { type: "final" },
      },
    });
    expect(fromXState(machine)).toEqual({
      initial: "open",
      states: {
        open: {
          on: {
            pay: [{ to: "picking", guard: "isPaid" }],
            cancel: [{ to: "end" }],
            jump: [{ to: "picking.second" }],
            leap: [{ to: "picking.second" }],
          },
        },
        picking: {
          initial: "first",
          onDone: "end",
          on: { restart: [{ to: "picking.first" }] },
          states: {
            first: { on: { next: [{ to: "picking.second" }], abort: [{ to: "end" }] } },
            second: { on: { next: [{ to: "picking.done", guard: "isPaid" }, { to: "picking.first" }] } },
            done: { final: true },
          },
        },
        end: { final: true },
      },
    });
  });

  const end = { type: "final" };
  const ok = { initial: "a", states: { a: { on: { go: "b" } }, b: end } };
  const a = (node: object): object => ({ initial: "a", states: { a: node, b: end } });
  it.each([
    ["a parallel machine", { ...ok, type: "parallel" }, /the machine: parallel states are not supported/],
    ["a parallel state", a({ type: "parallel", states: { x: {}, y: {} } }), /states\.a: parallel states/],
    [
      "a history state",
      a({ initial: "x", states: { x: { type: "history" } } }),
      /states\.a\.states\.x: history states/,
    ],
    ["invoke", a({ invoke: { src: "pay" } }), /states\.a: invoke is not supported/],
    ["after", a({ after: { 1000: "b" } }), /states\.a: after is not supported/],
    ["always", a({ always: "b" }), /states\.a: always is not supported/],
    ["entry actions", a({ entry: "log" }), /states\.a: entry is not supported/],
    ["a wildcard", a({ on: { "*": "b" } }), /states\.a\.on: wildcard events are not supported/],
    ["a partial wildcard", a({ on: { "pay.*": "b" } }), /wildcard events are not supported/],
    [
      "an inline guard",
      a({ on: { go: { target: "b", guard: () => true } } }),
      /states\.a\.on\.go: expected a guard by its name, found a function/,
    ],
    [
      "a guard with parameters",
      a({ on: { go: { target: "b", guard: { type: "g" } } } }),
      /expected a guard by its name/,
    ],
    ["actions", a({ on: { go: { target: "b", actions: "log" } } }), /states\.a\.on\.go: actions are not supported/],
    ["an event without a target", a({ on: { go: {} } }), /states\.a\.on\.go: expected a target/],
    ["a target that is not there", a({ on: { go: "nowhere" } }), /there is no state "nowhere"/],
    ["an id that is not there", a({ on: { go: "#nowhere" } }), /there is no state "#nowhere"/],
    [
      "a third level",
      a({ initial: "x", states: { x: { initial: "y", states: { y: {} } } } }),
      /expected at most two levels/,
    ],
    ["events of the machine itself", { ...ok, on: { go: ".b" } }, /the machine: on is not supported/],
    ["no initial state", { states: ok.states }, /the machine: expected initial to name a state/],
    ["what is no machine", "order", /expected a machine of XState or its config, found "order"/],
  ])("refuses %s, and says where and what to do", (_what, config, message) => {
    expect(() => fromXState(config)).toThrow(
      expect.objectContaining({ code: "OPTION_INVALID", message: expect.stringMatching(message) }),
    );
  });
});
