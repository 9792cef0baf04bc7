// What users write of a state machine, and the types that are read off it: which states there are, and which events each
// of them takes. What the types cannot say is checked by `createGraph` when the machine is made.
import type { AnyJob } from "../job.ts";
import type { Row } from "../script.ts";

/** Where an event leads, and under which named condition. */
export interface GuardedTarget<T extends string> {
  readonly to: T;
  /** One of the machine's `guards`. */
  readonly guard?: string;
}
/** Of several the first is taken whose guard agrees; one without a guard can only be the last. */
export type Transition<T extends string> = T | GuardedTarget<T> | readonly GuardedTarget<T>[];

/** The job that does a state's work: started in the commit that enters the state, it ends by sending an event. */
export interface StateWork {
  readonly job: AnyJob;
  /** The job's input, of the row as it is after entering. */
  readonly input: (row: Row) => unknown;
  /** Sent when the job has completed. An event of this state. */
  readonly done: string;
  /** Sent when the job ended otherwise. Without it that is left to a person: the row stays, and there is an incident. */
  readonly failed?: string;
}

interface Leaf<T extends string> {
  readonly on?: { readonly [event: string]: Transition<T> };
  /** Takes no events of its own. In a sub-state: entering it moves the main state on by `onDone`, in the same update. */
  readonly final?: true;
  /** Columns to write in the update that enters this state, from the payload of the move. Pure. */
  // biome-ignore lint/suspicious/noExplicitAny: the payload is the caller's, and so is its type
  readonly entry?: (payload: any) => Columns;
  readonly work?: StateWork;
}
interface Branch<T extends string> {
  readonly on?: { readonly [event: string]: Transition<T> };
  readonly initial: string;
  readonly onDone?: T;
  readonly states: { readonly [name: string]: Leaf<string> };
}
export type States = { readonly [name: string]: Leaf<string> | Branch<string> };

/** Columns of the user's row and what is written there, handed to the client as it is. */
export type Columns = Readonly<Record<string, unknown>>;

/**
 * Whether an event may pass. Pure and synchronous: it is given the row as the database has it, under its lock, and the
 * payload of the move.
 */
// biome-ignore lint/suspicious/noExplicitAny: row and payload are the user's, and so are their types
export type Guard = (row: any, payload: any) => boolean;

export type Top<S> = keyof S & string;
type Sub<S, K extends keyof S> = S[K] extends { readonly states: infer C } ? keyof C & string : never;

/** "waitPay" | "paid.waitPick" | …: a state with sub-states is always in one of them. */
export type StateOf<S> = { [K in Top<S>]: [Sub<S, K>] extends [never] ? K : `${K}.${Sub<S, K>}` }[Top<S>];

type On<X> = X extends { readonly on: infer E } ? keyof E & string : never;

/** The events that a state takes, its main state's included. */
export type EventOf<S, At extends string> = At extends `${infer P}.${infer C}`
  ? P extends keyof S
    ? On<S[P]> | (S[P] extends { readonly states: infer Cs } ? (C extends keyof Cs ? On<Cs[C]> : never) : never)
    : never
  : At extends keyof S
    ? On<S[At]>
    : never;

type Events<T extends string> = { readonly [event: string]: Transition<T> };
type Anywhere<S> = Top<S> | StateOf<S>;

/** Targets must exist: a sibling sub-state, a main state, or the path of a sub-state. */
export type Checked<S> = {
  [K in keyof S]: S[K] extends { readonly states: infer C }
    ? {
        readonly on?: Events<Anywhere<S>>;
        readonly onDone?: Anywhere<S>;
        readonly initial: keyof C;
        readonly states: {
          [J in keyof C]: { readonly on?: Events<(keyof C & string) | Anywhere<S>>; readonly final?: true };
        };
      }
    : { readonly on?: Events<Anywhere<S>>; readonly final?: true };
};

/** The states of a main state, or the one that is named whole. */
export type Within<S, K extends string> = Extract<StateOf<S>, K | `${K}.${string}`>;
