// What a claim about participants finds prepared.
import { equal, ok } from "node:assert/strict";
import { setTimeout as wait } from "node:timers/promises";
import { errorCatalog, isCodedError } from "../../core/errors.ts";
import type {
  Awaitable,
  BarrierMark,
  Began,
  Mode,
  Participant,
  ParticipantPort,
  TxAdapter,
} from "../../core/participant.ts";
import type { Script } from "../../core/script.ts";
import type { Dialect } from "../../core/store.ts";
import { dialectOf } from "../dialect.ts";
import { participant } from "../participant.ts";

export interface ParticipantFixture<Tx, M extends Mode> {
  /** Of a database with a table `effect (note text)`. */
  readonly adapter: TxAdapter<Tx, M>;
  /** Of the same database, over connections of its own, as another process would have. */
  readonly otherAdapter: TxAdapter<Tx, M>;
  /** Of a database without makegood's tables. */
  readonly emptyAdapter: TxAdapter<Tx, M>;
  /** Inserts a row into `effect` with the user's client. */
  readonly insertEffect: (tx: Tx, note: string) => Awaitable<void>;
  /** Counts rows of `effect`, with the user's client. */
  readonly countInside: (tx: Tx, note: string) => Awaitable<number>;
  /** Runs a body in a transaction of the user's own making, at the client's default isolation; commits, or rolls back and rethrows. */
  readonly byHand: <R>(body: (tx: Tx) => M extends "sync" ? R : Promise<R>) => Awaitable<R>;
  /** What a user may mistake for a transaction: the pool, the ORM's root, the connection without one. */
  readonly root: unknown;
  /** The same over a connection apart from both adapters: sees what is committed. */
  readonly countEffects: (note: string) => Awaitable<number>;
  /** A new execution's id. */
  readonly newId: () => string;
}

export interface Claim {
  readonly name: string;
  readonly mode?: Mode;
  readonly dialects?: readonly Dialect[];
  readonly check: (scene: Scene) => Promise<void>;
}

export type Result = Uint8Array | null;

export interface Scene {
  readonly orders: Participant<unknown>;
  /** The user's own transaction; its body may not await on a synchronous client. */
  readonly byHand: <R>(body: (tx: unknown) => Awaitable<R>) => Promise<R>;
  readonly port: ParticipantPort;
  /** Another process on the same database. */
  readonly elsewhere: Participant<unknown>;
  readonly other: ParticipantPort;
  readonly troubleOf: (error: unknown) => string;
  readonly mark: BarrierMark;
  /** Names the effects of this claim. */
  readonly note: string;
  readonly fixture: ParticipantFixture<unknown, Mode>;
  /** Inserts an effect and returns the result. */
  readonly doing: (note: string, result?: Result) => (tx: unknown) => Awaitable<Result>;
  /** Inserts an effect named after the result it was given. */
  readonly undoing: (note: string) => (tx: unknown, result: Result) => Awaitable<void>;
  readonly effects: (note: string) => Promise<number>;
  /** The second participant of an unmigrated database. */
  readonly unmigrated: Participant<unknown>;
}

export async function sceneOf<Tx, M extends Mode>(given: ParticipantFixture<Tx, M>): Promise<Scene> {
  const fixture = given as unknown as ParticipantFixture<unknown, Mode>;
  const orders = participant("orders", fixture.adapter);
  const other = participant("orders", fixture.otherAdapter);
  const gid = fixture.newId();
  await orders.migrate();
  return {
    orders,
    port: orders.port,
    elsewhere: other,
    other: other.port,
    troubleOf: dialectOf(fixture.adapter.dialect).troubleOf,
    mark: { gid, branch: "take stock:A-17", round: 0 },
    note: gid,
    fixture,
    doing:
      (note, result = null) =>
      (tx) =>
        andThen(fixture.insertEffect(tx, note), () => result),
    undoing: (note) => (tx, result) => fixture.insertEffect(tx, `${note} ${textOf(result)}`),
    byHand: async (body) => fixture.byHand(body as (tx: unknown) => never),
    effects: async (note) => fixture.countEffects(note),
    unmigrated: participant("stock", fixture.emptyAdapter),
  };
}

/** Goes on at once where nothing may be awaited. */
export function andThen<A, B>(value: Awaitable<A>, next: (value: A) => Awaitable<B>): Awaitable<B> {
  return isPromise(value) ? value.then(next) : next(value);
}

function isPromise<A>(value: Awaitable<A>): value is PromiseLike<A> {
  return typeof value === "object" && value !== null && "then" in value;
}

export const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
export const textOf = (result: Result): string => (result === null ? "null" : new TextDecoder().decode(result));
export const allBytes = Uint8Array.from({ length: 256 }, (_, byte) => byte);

export class BodyError extends Error {}
export const failing =
  (doing: (tx: unknown) => Awaitable<unknown>, error: Error) =>
  (tx: unknown): Awaitable<never> =>
    andThen(doing(tx), () => {
      throw error;
    });

/** A statement of a script, in the dialect's own placeholders. */
export const parameter = (dialect: Dialect, number: number, type: string): string =>
  dialect === "postgres" ? `$${number}::${type}` : "?";

export function* insertScript<T>(dialect: Dialect, note: string, answer: T): Script<T> {
  yield { sql: `INSERT INTO effect (note) VALUES (${parameter(dialect, 1, "text")})`, parameters: [note] };
  return answer;
}

// biome-ignore lint/correctness/useYield: it asks for nothing
export function* silentScript<T>(answer: T): Script<T> {
  return answer;
}

export function* brokenScript<T>(): Script<T> {
  yield { sql: "SELECT 1 FROM no_table_of_this_name", parameters: [] };
  throw new BodyError("not reached");
}

export function threw(outcome: Began<{ readonly kind: string }>): unknown {
  equal(outcome.kind, "threw");
  return "error" in outcome ? outcome.error : undefined;
}

export function codeOf(error: unknown): string {
  ok(isCodedError(error), `expected one of makegood's errors, found ${error}`);
  ok(error.code in errorCatalog);
  return error.code;
}

/** Lets a test hold a body inside its transaction. */
export function gate(): { readonly open: () => void; readonly opened: Promise<void> } {
  let open = (): void => undefined;
  const opened = new Promise<void>((settle) => {
    open = settle;
  });
  return { open, opened };
}

const maxTries = 500;
const pauseMs = 5;

/** Repeats while another process is in the way: a busy database, a deadlock. Gives up with the last error. */
export async function persist<R>(attempt: () => Promise<R>): Promise<R> {
  for (let tries = 1; ; tries++) {
    try {
      return await attempt();
    } catch (error) {
      if (tries === maxTries) throw error;
      await wait(pauseMs);
    }
  }
}
