/** The product's own table of transitions, in a form in which a model can take single rules away. */
import {
  type GuardState,
  type Phase,
  type Status,
  type TransitionName,
  type TransitionRule,
  transitions,
} from "../../src/core/execution.ts";

export type Table = Readonly<Record<TransitionName, TransitionRule>>;

/** The guard row, as far as a transition reads or changes it. */
export interface Guard extends GuardState {
  readonly token: number;
}

export const product: Table = transitions;

export const without = (name: TransitionName, change: Partial<TransitionRule>): Table => ({
  ...product,
  [name]: { ...product[name], ...change },
});

/** As `allows` of the product, of any table. A test holds the two together. */
export function permits(table: Table, name: TransitionName, guard: GuardState, seenInbox?: number): boolean {
  const rule = table[name];
  const isHeldBack = rule.cancelBlocks && guard.phase === "open" && guard.isCanceled;
  const hasNews = rule.readsInbox && guard.inbox !== seenInbox;
  return rule.from.includes(guard.status) && rule.phases.includes(guard.phase) && !isHeldBack && !hasNews;
}

/** The guard row after a transition. */
export function after(table: Table, name: TransitionName, guard: Guard): Guard {
  const { status, phase, raisesToken } = table[name];
  const next: { readonly status: Status; readonly phase: Phase } = {
    status: status ?? guard.status,
    phase: phase ?? guard.phase,
  };
  return { ...guard, ...next, token: guard.token + (raisesToken ? 1 : 0) };
}

export const fresh: Guard = { status: "ready", phase: "open", isCanceled: false, inbox: 0, token: 0 };

/** Commands change more than the table says: a cancel is noted, raises the inbox, and wakes what waits or is parked. */
export function canceled(guard: Guard, raisesInbox = true): Guard {
  const isResting = guard.status === "waiting" || guard.status === "parked";
  return {
    ...guard,
    isCanceled: true,
    inbox: guard.inbox + (raisesInbox ? 1 : 0),
    status: isResting ? "ready" : guard.status,
  };
}

/** Whatever may end a wait does this in its own transaction. */
export const woken = (guard: Guard): Guard => ({
  ...guard,
  inbox: guard.inbox + 1,
  status: guard.status === "waiting" ? "ready" : guard.status,
});
