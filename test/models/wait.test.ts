/**
 * An execution waits for a signal that is sent twice under one id, or for a child, with or without a timeout, and may be
 * canceled at any moment. Owner, senders and timer interleave in every way, and crash. Everything that wakes raises the
 * inbox on the guard row; only the owner decides what the wait came to.
 *
 * Guarantees G3, G6, G11; no lost wake-up.
 */
import { describe, expect, it } from "vitest";
import { allows, isTerminal, phases, statuses, type TransitionName } from "../../src/core/execution.ts";
import { check, type Model } from "./check.ts";
import { after, canceled, fresh, type Guard, permits, product, type Table, without, woken } from "./table.ts";

interface Owner {
  readonly token: number;
  /** The inbox as it was when the messages were read, and what was there. */
  readonly inbox: number;
  readonly mail: number;
  readonly isCanceled: boolean;
}

interface State {
  readonly guard: Guard;
  readonly owner: Owner | null;
  /** Messages that are there, and those that a wait has taken. */
  readonly mail: number;
  readonly taken: number;
  readonly outcomes: readonly ("message" | "timeout")[];
  readonly senders: readonly ("new" | "stored" | "done")[];
  readonly child: "none" | "runs" | "ended" | "told";
  readonly isDue: boolean;
  /** Set when it went to sleep; fires once. */
  readonly hasTimer: boolean;
  readonly crashes: number;
  readonly wrong: string;
}

interface Rules {
  readonly table: Table;
  readonly cancelRaisesInbox: boolean;
  readonly signalWakesInItsCommit: boolean;
  readonly signalIdIsUnique: boolean;
  readonly timeoutReadsInbox: boolean;
  readonly onlyTheOwnerDecides: boolean;
  readonly childWakesInItsCommit: boolean;
}

const every: Rules = {
  table: product,
  cancelRaisesInbox: true,
  signalWakesInItsCommit: true,
  signalIdIsUnique: true,
  timeoutReadsInbox: true,
  onlyTheOwnerDecides: true,
  childWakesInItsCommit: true,
};

interface Plot {
  readonly waitsFor: "signal" | "child";
  readonly hasTimeout: boolean;
}

function build(plot: Plot, rules: Rules): Model<State> {
  const { table } = rules;
  const running = after(table, "claim", fresh);
  return {
    start: {
      guard: running,
      owner: { token: running.token, inbox: 0, mail: 0, isCanceled: false },
      mail: 0,
      taken: 0,
      outcomes: [],
      senders: plot.waitsFor === "signal" ? ["new", "new"] : [],
      child: plot.waitsFor === "child" ? "runs" : "none",
      isDue: false,
      hasTimer: false,
      crashes: 2,
      wrong: "",
    },
    *moves(state) {
      yield* senderMoves(state, rules);
      yield* childMoves(state, rules);
      yield* clockMoves(state, plot, rules);
      if (permits(table, "cancel", state.guard) && !state.guard.isCanceled)
        yield ["cancel is accepted", { ...state, guard: canceled(state.guard, rules.cancelRaisesInbox) }];
      yield* claimMoves(state, table);
      if (state.owner !== null && state.guard.status === "running") yield* ownerMoves(state, state.owner, plot, rules);
    },
    always: {
      "a wait has one outcome": ({ outcomes }) => outcomes.length <= 1,
      "a signal id is delivered once": ({ mail, taken }) => mail + taken <= 1,
      "no timeout beside a message that was there": ({ wrong }) => wrong === "",
      "an accepted cancel never ends completed": ({ guard }) => guard.status !== "completed" || !guard.isCanceled,
      "nobody sleeps beside something to hear": ({ guard, mail, senders, child }) =>
        guard.status !== "waiting" ||
        senders.includes("stored") ||
        child === "ended" ||
        (mail === 0 && !guard.isCanceled),
    },
    goal: ({ guard, mail }) =>
      isTerminal(guard.status) || (guard.status === "waiting" && mail === 0 && !guard.isCanceled),
  };
}

type Moves = Generator<readonly [string, State]>;

function* senderMoves(state: State, rules: Rules): Moves {
  for (const [i, stage] of state.senders.entries()) {
    const to = (next: State["senders"][number], change: Partial<State> = {}): State => ({
      ...state,
      ...change,
      senders: state.senders.with(i, next),
    });
    const isDuplicate = rules.signalIdIsUnique && state.mail + state.taken > 0;
    const mail = state.mail + (isDuplicate ? 0 : 1);
    if (stage === "new" && isTerminal(state.guard.status)) yield [`signal ${i} is refused`, to("done")];
    else if (stage === "new" && rules.signalWakesInItsCommit)
      yield [`signal ${i} arrives`, to("done", { mail, guard: woken(state.guard) })];
    else if (stage === "new") yield [`signal ${i} is stored`, to("stored", { mail })];
    else if (stage === "stored") {
      yield [`signal ${i} wakes`, to("done", { guard: woken(state.guard) })];
      if (state.crashes > 0) yield [`sender ${i} crashes`, to("done", { crashes: state.crashes - 1 })];
    }
  }
}

function* childMoves(state: State, rules: Rules): Moves {
  const mail = state.mail + 1;
  if (state.child === "runs" && rules.childWakesInItsCommit)
    yield ["the child ends", { ...state, child: "told", mail, guard: woken(state.guard) }];
  else if (state.child === "runs") yield ["the child ends", { ...state, child: "ended", mail }];
  if (state.child !== "ended") return;
  yield ["the child wakes its parent", { ...state, child: "told", guard: woken(state.guard) }];
  if (state.crashes > 0) yield ["the child's worker crashes", { ...state, child: "told", crashes: state.crashes - 1 }];
}

function* clockMoves(state: State, { hasTimeout }: Plot, { table, onlyTheOwnerDecides }: Rules): Moves {
  if (hasTimeout && !state.isDue) yield ["the time passes", { ...state, isDue: true }];
  if (!state.isDue || !state.hasTimer) return;
  const isAsleep = permits(table, "wake", state.guard);
  const guard = isAsleep ? after(table, "wake", state.guard) : state.guard;
  if (!onlyTheOwnerDecides)
    yield [
      "the timer records the timeout",
      { ...state, guard, hasTimer: false, outcomes: [...state.outcomes, "timeout"] },
    ];
  else if (isAsleep) yield ["the timer wakes it", { ...state, guard }];
}

function* claimMoves(state: State, table: Table): Moves {
  const how = permits(table, "claim", state.guard) ? "claim" : "rescue";
  if (how === "rescue" && (state.owner !== null || !permits(table, "rescue", state.guard))) return;
  const guard = after(table, how, state.guard);
  const { inbox, isCanceled } = state.guard;
  // Tokens are told apart by their owner alone here, so they need not grow for ever.
  yield [
    `a worker ${how}s it`,
    { ...state, guard: { ...guard, token: 1 }, owner: { token: 1, inbox, mail: state.mail, isCanceled } },
  ];
}

function* ownerMoves(state: State, owner: Owner, { hasTimeout }: Plot, rules: Rules): Moves {
  const { guard, mail } = state;
  const { table } = rules;
  const left = { ...state, owner: null };
  const hasRead = owner.inbox === guard.inbox;
  if (state.crashes > 0) yield ["the worker crashes", { ...left, crashes: state.crashes - 1 }];
  if (guard.phase === "back") {
    if (permits(table, "compensated", guard))
      yield ["it ends compensated", { ...left, guard: after(table, "compensated", guard) }];
    return;
  }
  if (owner.isCanceled) {
    if (permits(table, "turn-back", guard))
      yield ["it turns back", { ...state, guard: after(table, "turn-back", guard) }];
    return;
  }
  if (!hasRead)
    yield [
      "the worker reads its inbox",
      { ...state, owner: { ...owner, inbox: guard.inbox, mail, isCanceled: guard.isCanceled } },
    ];
  if (state.outcomes.length > 0) {
    if (permits(table, "complete", guard)) yield ["it completes", { ...left, guard: after(table, "complete", guard) }];
    else
      yield ["its end is refused, and it reads why", { ...state, owner: { ...owner, isCanceled: guard.isCanceled } }];
    return;
  }
  if (owner.mail > 0) {
    yield [
      "the worker takes the message",
      {
        ...state,
        mail: mail - 1,
        taken: state.taken + 1,
        outcomes: ["message"],
        owner: { ...owner, mail: owner.mail - 1 },
      },
    ];
    return;
  }
  if (hasTimeout && state.isDue && (hasRead || !rules.timeoutReadsInbox))
    yield [
      "the worker records the timeout",
      { ...state, outcomes: ["timeout"], wrong: mail > 0 ? "a message was there" : "" },
    ];
  if (!(hasTimeout && state.isDue) && permits(table, "suspend", guard, owner.inbox))
    yield ["the worker suspends it", { ...left, hasTimer: hasTimeout, guard: after(table, "suspend", guard) }];
}

const signal: Plot = { waitsFor: "signal", hasTimeout: false };
const signalWithTimeout: Plot = { waitsFor: "signal", hasTimeout: true };
const child: Plot = { waitsFor: "child", hasTimeout: false };
const deafSuspend = without("suspend", { readsInbox: false });

describe("a model of waiting, on the product's table", () => {
  it.each([
    ["a signal", signal],
    ["a signal, with a timeout", signalWithTimeout],
    ["a child", child],
  ] as const)("holds for %s", (_, plot) => {
    expect(check(build(plot, every)).broken).toBeNull();
  });

  it.each([
    ["suspend reads the inbox", signal, { table: deafSuspend }],
    ["suspend reads the inbox", signalWithTimeout, { table: deafSuspend }],
    ["suspend reads the inbox", child, { table: deafSuspend }],
    ["a cancel raises the inbox", signal, { cancelRaisesInbox: false }],
    ["a signal wakes in its own commit", signal, { signalWakesInItsCommit: false }],
    ["a signal id is unique", signal, { signalIdIsUnique: false }],
    ["a timeout reads the inbox", signalWithTimeout, { timeoutReadsInbox: false }],
    ["only the owner decides", signalWithTimeout, { onlyTheOwnerDecides: false }],
    ["a child's end wakes in its own commit", child, { childWakesInItsCommit: false }],
    ["an accepted cancel refuses the end", signal, { table: without("complete", { cancelBlocks: false }) }],
  ] as const)("breaks without the rule: %s", (_, plot, removed) => {
    expect(check(build(plot, { ...every, ...removed })).broken).not.toBeNull();
  });

  it("reads the table as the product does", () => {
    for (const name of Object.keys(product) as TransitionName[])
      for (const status of statuses)
        for (const phase of phases)
          for (const isCanceled of [true, false])
            for (const seen of [undefined, 0, 1]) {
              const guard = { status, phase, isCanceled, inbox: 1 };
              expect(permits(product, name, guard, seen)).toBe(allows(name, guard, seen));
            }
  });
});
