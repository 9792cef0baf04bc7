// The ports between a participant's outbox, the relay that empties it, and the engine that starts what subscribes. Instants
// are epoch ms of the participant's database's clock.
import type { StoredError } from "./errors.ts";
import type { ExecutionId } from "./ids.ts";
import type { Actor } from "./ports.ts";
import type { Script } from "./script.ts";

/**
 * What becomes of a message. Below `done` it is open: it holds up those behind it in its order.
 *   waiting   for its time, for a relay, for its retry, or for a subscriber that another process has
 *   claimed   by a relay, until its lease is out
 *   started   ordered: its executions run
 *   blocked   ordered: one of them ended without success or is parked; goes on by itself when it completes after all
 *   dead      set aside with its error, for a person
 */
export const messageStatuses = [
  "waiting",
  "claimed",
  "started",
  "blocked",
  "dead",
  "done",
  "skipped",
  "canceled",
] as const;
export type MessageStatus = (typeof messageStatuses)[number];
/** As stored. */
export const statusNumber = (status: MessageStatus): number => messageStatuses.indexOf(status);

export interface NewMessage {
  readonly topic: string;
  readonly id: string;
  readonly orderingKey: string | null;
  readonly cancelKey: string | null;
  readonly headers: Readonly<Record<string, string>>;
  readonly payload: Uint8Array | null;
  /** Of the payload, where the caller gave the id: the row is then kept for a while after it is done. Else null. */
  readonly fingerprint: string | null;
  readonly delayMs: number;
}

/** An execution that a message started. */
export interface StartedExecution {
  readonly id: ExecutionId;
  readonly job: string;
  readonly key: string | null;
}

export interface MessageRef {
  readonly topic: string;
  readonly id: string;
}

/** Names a row, and the claim of it: a report of an older claim changes nothing. */
export interface Hold {
  readonly seq: string;
  readonly fence: number;
}

export interface ClaimedMessage extends MessageRef, Hold {
  readonly orderingKey: string | null;
  readonly headers: Readonly<Record<string, string>>;
  readonly payload: Uint8Array | null;
  readonly publishedAt: number;
  /** Claims since the last report, this one included: more than one says that a process did not come to report. */
  readonly starts: number;
  readonly fails: number;
  /** Subscribers that it has not been delivered to yet; null: to none. */
  readonly remaining: readonly string[] | null;
  readonly executions: readonly StartedExecution[];
  readonly isKept: boolean;
}

/** An ordered message whose executions are to be looked at. */
export interface WatchedMessage extends MessageRef, Hold {
  readonly orderingKey: string | null;
  readonly executions: readonly StartedExecution[];
  readonly isBlocked: boolean;
  readonly isKept: boolean;
}

export type Verdict =
  | { readonly kind: "done" }
  | { readonly kind: "started"; readonly executions: readonly StartedExecution[] }
  | { readonly kind: "blocked"; readonly executions: readonly StartedExecution[]; readonly error: StoredError }
  /** Delivered to the subscribers of this process; others have the rest. */
  | { readonly kind: "partly"; readonly remaining: readonly string[]; readonly executions: readonly StartedExecution[] }
  | { readonly kind: "dead"; readonly error: StoredError }
  | { readonly kind: "retry"; readonly error: StoredError; readonly fails: number; readonly delayMs: number }
  /** Given back: nothing is held against it. */
  | { readonly kind: "released" };

export interface Report extends Hold {
  /** Of a message that was claimed, or of one whose executions were looked at. */
  readonly of: "claimed" | "watched";
  readonly isKept: boolean;
  readonly verdict: Verdict;
}

export interface ClaimRequest {
  readonly topics: readonly string[];
  /** Of this process, all topics together. */
  readonly subscribers: readonly string[];
  /** `fresh`: waiting ones. `suspect`: those whose relay did not come to report. */
  readonly kind: "fresh" | "suspect";
  readonly limit: number;
  readonly limitPerTopic: number;
  readonly leaseMs: number;
}

export interface WatchRequest {
  readonly topics: readonly string[];
  readonly limit: number;
  /** Others look at them no sooner than after this. */
  readonly everyMs: number;
}

export interface Subscription {
  readonly topic: string;
  /** Namespace and job. */
  readonly subscriber: string;
}

export interface StuckMessage extends MessageRef {
  readonly status: "blocked" | "dead";
  readonly orderingKey: string | null;
  readonly error: StoredError | null;
  readonly publishedAt: number;
  readonly executions: readonly StartedExecution[];
}

export interface Unserved {
  readonly topic: string;
  /** Null: nobody subscribes to the topic. */
  readonly remaining: readonly string[] | null;
  readonly count: number;
}

export interface OutboxPort {
  /** In the caller's transaction. Throws MESSAGE_ID_REUSED. */
  insertScript(message: NewMessage): Script<void>;
  /** Calls `listener` for each message inserted by this process, before its commit. Returns the way to stop. */
  hear(listener: () => void): () => void;
  /** The payload as stored. Throws VALUE_CORRUPT. */
  decode(payload: Uint8Array | null): unknown;
  /** One transaction: what became of messages, then new ones. Idempotent but for the claim, which a lease ends. */
  exchange(request: {
    readonly reports: readonly Report[];
    readonly claim: ClaimRequest | null;
    readonly watch: WatchRequest | null;
  }): Promise<{
    readonly claimed: readonly ClaimedMessage[];
    readonly watched: readonly WatchedMessage[];
    /** All that are known, in any process: of the topics of the claimed messages. */
    readonly subscriptions: readonly Subscription[];
  }>;
  /** Makes subscribers known, or says that they are still there. */
  subscribe(subscriptions: readonly Subscription[]): Promise<void>;
  /** False: it was not known. */
  unsubscribe(subscription: Subscription): Promise<boolean>;
  /** Deletes what is past its time, in batches. */
  prune(): Promise<void>;
  /** Messages that have waited for longer than a minute for subscribers that no process has shown lately. */
  unserved(): Promise<readonly Unserved[]>;
  stuck(limit: number): Promise<readonly StuckMessage[]>;
  /** A stuck message; null: there is none. */
  find(message: MessageRef): Promise<StuckMessage | null>;
  /**
   * A person's word on a stuck message, with actor and time in its audit. `skip`: it is over. `retry`: a dead one waits
   * again; a blocked one is looked at at once. Gives it as it was; null: it is not stuck.
   */
  decide(
    message: MessageRef,
    verb: "skip" | "retry",
    by: { readonly actor: Actor; readonly note: string | null },
  ): Promise<StuckMessage | null>;
}

/** How an execution stands, seen from the order of messages. */
export type Standing =
  | { readonly kind: "completed" }
  /** `id`: of its newest round. */
  | { readonly kind: "open"; readonly id: ExecutionId }
  /** Ended without success, parked, or gone. */
  | { readonly kind: "failed"; readonly error: StoredError };

/** The engine, seen from the relay. */
export interface MessageConsumers {
  /** What the jobs registered here subscribe to. */
  readonly subscriptions: readonly Subscription[];
  /** The topic of starts in other databases that are meant for this engine. */
  readonly starts: Subscription;
  /** Starts the subscriber's job, once for the message. Resolves after the commit. Throws what `app.start` throws. */
  deliver(subscriber: string, message: ClaimedMessage, payload: unknown): Promise<StartedExecution>;
  /** Inserts an execution that was started in another database. */
  accept(payload: Uint8Array | null): Promise<StartedExecution>;
  /** Resolves when the execution has ended or is parked; perhaps never. */
  ended(id: ExecutionId): Promise<void>;
  /** How these stand now, the newest round of each; in order. */
  standings(executions: readonly StartedExecution[]): Promise<readonly Standing[]>;
}

/** The relays of a process, started after its worker and stopped before it. */
export interface MessageRelays {
  start(): void;
  /** There may be something to do, such as for a job that was just registered. */
  poke(): void;
  stop(): Promise<void>;
}
