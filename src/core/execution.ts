// The states of an execution: the one table that code, SQL checks, documents and models read.
//
// A row of the table is a transition: who may make it, from which status and phase, whether an accepted cancel stands
// in its way, and what it leaves behind. A transition made by the *owner* is fenced besides: the guard row must bear the
// owner's token and be running (ENGINE-PROTOCOL §4). A *command* comes from outside and needs no token.

export const statuses = [
  "ready",
  "running",
  "waiting",
  "parked",
  "completed",
  "compensated",
  "killed",
  "discarded",
] as const;
export type Status = (typeof statuses)[number];

/** Moves only from open to any other, and from pivoted to confirming. */
export const phases = ["open", "pivoted", "confirming", "back"] as const;
export type Phase = (typeof phases)[number];

/** Why an execution turned back, or ended without doing its work. */
export const reasons = ["failed", "canceled", "timed-out", "replaced", "settled"] as const;
export type Reason = (typeof reasons)[number];

export const terminalStatuses: readonly Status[] = ["completed", "compensated", "killed", "discarded"];
export const isTerminal = (status: Status): boolean => terminalStatuses.includes(status);

export interface TransitionRule {
  readonly by: "owner" | "command";
  readonly from: readonly Status[];
  readonly phases: readonly Phase[];
  /** In phase open, an accepted cancel refuses this transition: accepted before the pivot means never completed. */
  readonly cancelBlocks: boolean;
  /** Refused when a message arrived that the owner has not read (the guard row's `inbox` moved on). */
  readonly readsInbox: boolean;
  /** The status afterwards; `null` keeps it. */
  readonly status: Status | null;
  /** The phase afterwards; `null` keeps it. */
  readonly phase: Phase | null;
  /** Raises the token, so that whatever the owner still sends matches no row. */
  readonly raisesToken: boolean;
}

const anyPhase = phases;
const unfinished = ["ready", "running", "waiting", "parked"] as const;
const owner = {
  by: "owner",
  from: ["running"],
  cancelBlocks: false,
  readsInbox: false,
  status: null,
  phase: null,
  raisesToken: false,
} as const;
const command = {
  by: "command",
  phases: anyPhase,
  cancelBlocks: false,
  readsInbox: false,
  status: null,
  phase: null,
  raisesToken: false,
} as const;

export const transitions = {
  pivot: { ...owner, phases: ["open"], cancelBlocks: true, phase: "pivoted" },
  confirm: { ...owner, phases: ["open", "pivoted"], cancelBlocks: true, phase: "confirming" },
  "turn-back": { ...owner, phases: ["open"], phase: "back" },
  complete: { ...owner, phases: ["open", "pivoted", "confirming"], cancelBlocks: true, status: "completed" },
  compensated: { ...owner, phases: ["back"], status: "compensated" },
  suspend: { ...owner, phases: anyPhase, readsInbox: true, status: "waiting" },
  park: { ...owner, phases: anyPhase, status: "parked" },
  "hand-back": { ...owner, phases: anyPhase, status: "ready" },

  claim: { ...command, from: ["ready"], status: "running", raisesToken: true },
  rescue: { ...command, from: ["running"], status: "running", raisesToken: true },
  "park-no-progress": { ...command, from: ["running"], status: "parked", raisesToken: true },
  adopt: { ...command, from: ["running"], status: "running", raisesToken: true },
  wake: { ...command, from: ["waiting"], status: "ready" },
  cancel: { ...command, from: unfinished, phases: ["open"] },
  kill: { ...command, from: unfinished, status: "killed", raisesToken: true },
  resume: { ...command, from: ["parked"], status: "ready" },
  "settle-completed": { ...command, from: ["parked"], status: "completed" },
  "settle-compensated": { ...command, from: ["parked"], status: "compensated" },
  discard: { ...command, from: ["waiting"], phases: ["open"], status: "discarded" },
} as const satisfies Record<string, TransitionRule>;

export type TransitionName = keyof typeof transitions;
export type OwnerTransition = {
  [N in TransitionName]: (typeof transitions)[N]["by"] extends "owner" ? N : never;
}[TransitionName];

/** What a transition's guard sees of the guard row, besides the token. */
export interface GuardState {
  readonly status: Status;
  readonly phase: Phase;
  readonly isCanceled: boolean;
  readonly inbox: number;
}

/** Whether the table lets `name` happen to a guard row; `seenInbox` only matters where the rule reads the inbox. */
export function allows(name: TransitionName, guard: GuardState, seenInbox?: number): boolean {
  const rule: TransitionRule = transitions[name];
  return (
    rule.from.includes(guard.status) &&
    rule.phases.includes(guard.phase) &&
    !(rule.cancelBlocks && guard.phase === "open" && guard.isCanceled) &&
    !(rule.readsInbox && guard.inbox !== seenInbox)
  );
}

/** The states that people see, derived from status, phase, reason and whether anything was undone. */
export const shownStates = [
  "ready",
  "running",
  "waiting",
  "compensating",
  "confirming",
  "parked",
  "completed",
  "failed",
  "compensated",
  "canceled",
  "timed-out",
  "killed",
  "discarded",
] as const;
export type ShownState = (typeof shownStates)[number];

/** A job that failed with nothing to undo is *failed*; one that undid, or that a person settled as undone, is *compensated*; one on its way back is *compensating*. */
export function shownState(row: {
  readonly status: Status;
  readonly phase: Phase;
  readonly reason: Reason | null;
  readonly undoneCount: number;
}): ShownState {
  switch (row.status) {
    case "compensated":
      if (row.reason === "canceled" || row.reason === "replaced") return "canceled";
      if (row.reason === "timed-out") return "timed-out";
      return row.reason === "settled" || row.undoneCount > 0 ? "compensated" : "failed";
    case "ready":
    case "running":
    case "waiting":
      if (row.phase === "back") return "compensating";
      return row.phase === "confirming" ? "confirming" : row.status;
    case "parked":
    case "completed":
    case "killed":
    case "discarded":
      return row.status;
  }
}
