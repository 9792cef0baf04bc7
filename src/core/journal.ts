/** What a call on `ctx` does; a recorded step that replay meets with another kind is drift. */
export const stepKinds = [
  "tx",
  "step",
  "attempt",
  "tcc",
  "tcc-tx",
  "sleep",
  "wait",
  "start",
  "child",
  "pivot",
  "turn",
] as const;
export type StepKind = (typeof stepKinds)[number];

/** The role of a row within its step; `due` holds the instant at which a sleep or a wait ends. */
export const roles = ["action", "compensation", "try", "confirm", "cancel", "due"] as const;
export type Role = (typeof roles)[number];

/** Steps the engine writes for itself. A user's name cannot hold a colon, so these cannot meet. */
export const reservedSteps = { pivot: ":pivot", turn: ":turn", function: ":function" } as const;

/** One settled attempt. `step` is the name, or name + ":" + id; unique by (execution, step, role); inserted once, never changed. */
export interface JournalRow {
  readonly step: string;
  readonly role: Role;
  readonly kind: StepKind;
  /** Order in which results are delivered to the function, from 1, rising within the execution. */
  readonly seq: number;
  /** Order in which the steps were called, from 1; compensation runs in its reverse. */
  readonly started: number;
  /** How many attempts it took, from 1. */
  readonly attempt: number;
  /** `refused`: it certainly did not happen. `failed`: given up, may have happened (`ctx.attempt` only). */
  readonly state: "done" | "refused" | "failed";
  /** The stored value (done) or the stored error; null is undefined. */
  readonly body: Uint8Array | null;
  /** Epoch ms by the owner's clock; what `ctx.now` shows after this row. */
  readonly at: number;
  /** Set where a person settled the step by hand: `kind:id`. */
  readonly actor: string | null;
}

/** A failed attempt that will be followed by another. Kept so that budgets and windows outlive a crash. */
export interface AttemptRow {
  readonly step: string;
  readonly role: Role;
  readonly attempt: number;
  readonly at: number;
  /** When the next attempt is due, epoch ms by the owner's clock. */
  readonly nextAt: number;
  /** False when it is certain that nothing happened. */
  readonly isUnknown: boolean;
  readonly error: Uint8Array | null;
}
