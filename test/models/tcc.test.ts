/**
 * Two branches of try, confirm and cancel in one execution. Calls arrive late, twice or never, replies are lost, up to three
 * owners follow one another and any of them may be a zombie; a cancel is accepted, the execution parks and is resumed, at
 * any moment. Each participant keeps one barrier row per branch.
 *
 * Faults F1, F2, F6, F28; guarantees G3, G6, G7, G11.
 */
import { describe, expect, it } from "vitest";
import { isTerminal } from "../../src/core/execution.ts";
import { check, type Model } from "./check.ts";
import { after, fresh, type Guard, permits, product, type Table, without } from "./table.ts";

type Way = "confirm" | "cancel";
/** What an owner believes of a branch: untouched · called · called before by whom nobody knows · tried · refused · second phase due · over. */
type Belief = "none" | "called" | "unknown" | "called-again" | "tried" | "refused" | "due" | "over";
type Barrier = "none" | "tried" | "confirmed" | "canceled" | "blocked";

interface Owner {
  readonly token: number;
  readonly way: Way | null;
  readonly believes: readonly Belief[];
}

interface State {
  readonly guard: Guard;
  readonly owners: readonly (Owner | null)[];
  readonly journal: readonly ("none" | "tried" | "refused")[];
  readonly barrier: readonly Barrier[];
  /** Calls under way, which may arrive at any time, and again: t, c, x. */
  readonly sent: readonly string[];
  readonly counts: readonly (readonly [tries: number, confirms: number, cancels: number])[];
}

interface Rules {
  readonly table: Table;
  readonly emptyCancelLeavesBarrier: boolean;
  readonly decisionIsRecordedFirst: boolean;
  readonly decisionIsFenced: boolean;
  readonly repeatsUntilAcknowledged: boolean;
  readonly unknownCountsAsTried: boolean;
  readonly frontierCountsAsTried: boolean;
}

const every: Rules = {
  table: product,
  emptyCancelLeavesBarrier: true,
  decisionIsRecordedFirst: true,
  decisionIsFenced: true,
  repeatsUntilAcknowledged: true,
  unknownCountsAsTried: true,
  frontierCountsAsTried: true,
};

const maxOwners = 3;
const branches = [0, 1] as const;

function build(rules: Rules): Model<State> {
  const { table } = rules;
  return {
    start: {
      guard: fresh,
      owners: [null, null],
      journal: ["none", "none"],
      barrier: ["none", "none"],
      sent: ["", ""],
      counts: [
        [0, 0, 0],
        [0, 0, 0],
      ],
    },
    *moves(state) {
      yield* arrivals(state, rules);
      const { guard } = state;
      const mayEnd = guard.token < maxOwners;
      if (permits(table, "cancel", guard) && !guard.isCanceled && guard.status !== "parked")
        yield ["cancel is accepted", { ...state, guard: { ...guard, isCanceled: true } }];
      if (permits(table, "resume", guard) && mayEnd)
        yield ["it is resumed", { ...state, guard: after(table, "resume", guard) }];
      const how = permits(table, "claim", guard) ? "claim" : "rescue";
      if (permits(table, how, guard) && mayEnd) yield* claims(state, how, rules);
      for (const [n, owner] of state.owners.entries()) if (owner !== null) yield* ownerMoves(state, n, owner, rules);
    },
    always: {
      "each phase at most once": ({ counts }) => counts.flat().every((count) => count <= 1),
      "never one branch confirmed and another canceled": ({ barrier }) =>
        !(barrier.includes("confirmed") && (barrier.includes("canceled") || barrier.includes("blocked"))),
      "completed means both confirmed": ({ guard, barrier }) =>
        guard.status !== "completed" || barrier.every((row) => row === "confirmed"),
      "compensated means nothing is reserved, for ever": ({ guard, barrier }) =>
        guard.status !== "compensated" || barrier.every((row) => row !== "tried" && row !== "confirmed"),
      "an accepted cancel never ends completed": ({ guard }) => guard.status !== "completed" || !guard.isCanceled,
    },
    goal: ({ guard }) => isTerminal(guard.status) || guard.status === "parked",
  };
}

type Moves = Generator<readonly [string, State]>;

/** At the participants. */
function* arrivals(state: State, rules: Rules): Moves {
  for (const b of branches) {
    const row = state.barrier[b];
    const isSent = (call: string): boolean => state.sent[b]?.includes(call) === true;
    const to = (next: Barrier, phase: 0 | 1 | 2 | null): State => ({
      ...state,
      barrier: state.barrier.with(b, next),
      counts: phase === null ? state.counts : state.counts.with(b, counted(state.counts[b], phase)),
    });
    if (isSent("t") && row === "none") yield [`try ${b} arrives`, to("tried", 0)];
    if (isSent("c") && row === "tried") yield [`confirm ${b} arrives`, to("confirmed", 1)];
    if (isSent("x") && row === "tried") yield [`cancel ${b} arrives`, to("canceled", 2)];
    if (isSent("x") && row === "none" && rules.emptyCancelLeavesBarrier)
      yield [`cancel ${b} arrives first`, to("blocked", null)];
  }
}

const counted = (counts: State["counts"][number] = [0, 0, 0], phase: 0 | 1 | 2): State["counts"][number] =>
  counts.map((count, i) => count + (i === phase ? 1 : 0)) as unknown as State["counts"][number];

function* claims(state: State, how: "claim" | "rescue", rules: Rules): Moves {
  const guard = after(rules.table, how, state.guard);
  const way: Way | null = guard.phase === "confirming" ? "confirm" : guard.phase === "back" ? "cancel" : null;
  const isFirst = state.guard.token === 0;
  const believes = state.journal.map((row): Belief => {
    if (way !== null)
      return row === "refused" ? "over" : row === "tried" || (rules.frontierCountsAsTried && !isFirst) ? "due" : "over";
    if (row !== "none") return row;
    return !isFirst && rules.frontierCountsAsTried ? "unknown" : "none";
  });
  for (const n of isFirst ? [0] : [0, 1])
    yield [
      `worker ${n} ${how}s it as ${guard.token}`,
      { ...state, guard, owners: state.owners.with(n, { token: guard.token, way, believes }) },
    ];
}

function* ownerMoves(state: State, n: number, owner: Owner, rules: Rules): Moves {
  const { guard } = state;
  const isMine = guard.status === "running" && guard.token === owner.token;
  const left: State = { ...state, owners: state.owners.with(n, null) };
  if (owner.token < guard.token || guard.token < maxOwners) yield [`${owner.token} crashes`, left];
  if (guard.token > owner.token) yield [`${owner.token} loses the lease`, left];
  if (owner.way === null) {
    yield* tries(state, n, owner, isMine);
    yield* decisions(state, n, owner, isMine, rules);
  } else yield* secondPhase(state, left, n, owner, owner.way, isMine, rules);
}

function* tries(state: State, n: number, owner: Owner, isMine: boolean): Moves {
  for (const b of branches) {
    const belief = owner.believes[b];
    const to = (next: Belief, change: Partial<State> = {}): State => ({
      ...state,
      ...change,
      owners: state.owners.with(n, { ...owner, believes: owner.believes.with(b, next) }),
    });
    const isWaiting = belief === "called" || belief === "called-again";
    if (belief === "none" || belief === "unknown")
      yield [
        `${owner.token} tries ${b}`,
        to(belief === "none" ? "called" : "called-again", { sent: state.sent.with(b, add(state.sent[b], "t")) }),
      ];
    if (isWaiting && state.barrier[b] === "tried" && isMine && state.guard.phase === "open")
      yield [`${owner.token} records try ${b}`, to("tried", { journal: state.journal.with(b, "tried") })];
    // A participant keeps to its word: what it refused it does not take later.
    if (belief === "called" && state.barrier[b] === "none")
      yield [`${owner.token} hears that try ${b} is refused`, to("refused", { sent: state.sent.with(b, "") })];
    if (isWaiting) yield [`${owner.token} times out on try ${b}`, to("unknown")];
  }
}

const add = (sent = "", call: string): string => (sent.includes(call) ? sent : sent + call);

function* decisions(state: State, n: number, owner: Owner, isMine: boolean, rules: Rules): Moves {
  const { guard } = state;
  const { table } = rules;
  const isWhole = owner.believes.every((belief) => belief === "tried");
  const decided = (way: Way): State => {
    const name = way === "confirm" ? "confirm" : "turn-back";
    const believes = owner.believes.map((belief): Belief => {
      if (belief === "refused" || (belief === "none" && way === "cancel")) return "over";
      return belief === "unknown" && !rules.unknownCountsAsTried ? "over" : "due";
    });
    const owners = state.owners.with(n, { ...owner, way, believes });
    if (!rules.decisionIsRecordedFirst) return { ...state, owners };
    const journal = state.journal.map((row, b) => (owner.believes[b] === "refused" ? "refused" : row));
    return { ...state, owners, journal, guard: after(table, name, guard) };
  };
  const mayConfirm = rules.decisionIsFenced ? isMine && permits(table, "confirm", guard) : true;
  const mayTurn = rules.decisionIsFenced ? isMine && permits(table, "turn-back", guard) : true;
  if (isWhole && mayConfirm) yield [`${owner.token} decides to confirm`, decided("confirm")];
  if ((!isWhole || guard.isCanceled) && mayTurn) yield [`${owner.token} decides to cancel`, decided("cancel")];
}

function* secondPhase(
  state: State,
  left: State,
  n: number,
  owner: Owner,
  way: Way,
  isMine: boolean,
  rules: Rules,
): Moves {
  const { guard } = state;
  const { table } = rules;
  const isOpen = (belief: Belief): boolean => belief !== "over";
  const b = way === "cancel" ? owner.believes.findLastIndex(isOpen) : owner.believes.findIndex(isOpen);
  if (b < 0) {
    const name = way === "confirm" ? "complete" : "compensated";
    const isFitting = rules.decisionIsRecordedFirst ? permits(table, name, guard) : guard.status === "running";
    if (isMine && isFitting) yield [`${owner.token} ends it`, { ...left, guard: after(table, name, guard) }];
    return;
  }
  const call = way === "confirm" ? "c" : "x";
  const row = state.barrier[b];
  const isSent = state.sent[b]?.includes(call) === true;
  if (!isSent)
    yield [`${owner.token} calls ${way} ${b}`, { ...state, sent: state.sent.with(b, add(state.sent[b], call)) }];
  const isAcknowledged =
    way === "confirm"
      ? row === "confirmed"
      : row === "canceled" || row === "blocked" || (row === "none" && !rules.emptyCancelLeavesBarrier);
  if (isAcknowledged || (isSent && !rules.repeatsUntilAcknowledged))
    yield [
      `${owner.token} is done with ${b}`,
      { ...state, owners: state.owners.with(n, { ...owner, believes: owner.believes.with(b, "over") }) },
    ];
  if (isMine && guard.phase !== "open" && permits(table, "park", guard))
    yield [`${owner.token} parks it`, { ...left, guard: after(table, "park", guard) }];
}

const removed = [
  ["an accepted cancel refuses the decision", { table: without("confirm", { cancelBlocks: false }) }],
  ["an empty cancel leaves a barrier", { emptyCancelLeavesBarrier: false }],
  ["an unknown try counts as tried", { unknownCountsAsTried: false }],
  ["a try that another owner may have begun counts as tried", { frontierCountsAsTried: false }],
  ["each branch is repeated until it is acknowledged", { repeatsUntilAcknowledged: false }],
  ["the decision is recorded first", { decisionIsRecordedFirst: false }],
  ["there is one decision, by compare-and-set", { decisionIsFenced: false }],
] as const;

describe("a model of TCC, on the product's table", () => {
  it("holds with every rule", () => {
    const { broken, stateCount } = check(build(every));
    expect(broken).toBeNull();
    expect(stateCount).toBeGreaterThan(50_000);
  });

  it.each(removed)("breaks without the rule: %s", (_, less) => {
    expect(check(build({ ...every, ...less })).broken).not.toBeNull();
  });
});
