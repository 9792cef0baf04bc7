// The relay: empties the outbox of one participant into the jobs that subscribe. Every process runs one for each of its
// participants; nothing elects a leader. Who is the authority, and what a claim is, stands in participant/outbox/outbox.ts.
//
// A turn is one transaction there, which writes what became of the messages of the turn before and claims new ones, and
// then the deliveries, all at once, so that their starts ride in one group commit. So batches grow by themselves with the
// load: what is published during a turn is claimed by the next.
//
// What a failure does to a message:
//   the process dies               others claim it when the lease is out, alone, so that it counts against nobody else
//   it kills the process again     dead (MESSAGE_POISON) after `maxStarts` claims without a report
//   the store is away              its starts wait for the store, in this process
//   the participant is away        the report waits; if it never comes, the message is delivered again, and its key answers
//   a function or the schema throws what repeating may mend: retried with growing pauses, then dead; anything else: dead
//
// An ordered message is done when its executions have completed. Who started them is told at once; others look every few
// seconds, so that the order outlives any process.
import type {
  ClaimedMessage,
  Hold,
  MessageConsumers,
  OutboxPort,
  Report,
  Standing,
  StartedExecution,
  Subscription,
  Verdict,
  WatchedMessage,
} from "../core/outbox.ts";
import type { Clock, Log, Random } from "../core/ports.ts";
import { Pace } from "./pace.ts";
import { PendingReports } from "./pending-reports.ts";
import { subscribersOf, topicsOf } from "./subscriptions.ts";
import { afterFailure, afterLook, maxStarts, poison } from "./verdicts.ts";

export interface RelayOptions {
  /** The participant's name, for logs. */
  readonly name: string;
  readonly outbox: OutboxPort;
  readonly consumers: MessageConsumers;
  /** Whether the participant is the engine's own database: then no start comes through its outbox. */
  readonly isOwn: () => Promise<boolean>;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  /** Longest pause between looks for messages that nobody announced. */
  readonly pollMs: number;
  /** How long others wait before they take a message over from a silent process. */
  readonly leaseMs: number;
}

/** Of all topics together; of each its share, at least `minPerTopic`. */
const claimBatch = 500;
const minPerTopic = 20;
const watchBatch = 500;
const watchEveryMs = 5_000;
/** How often it is looked for messages whose relay did not come to report. */
const maxSuspectEveryMs = 5_000;
const upkeepEveryMs = 60_000;

type Settling = Hold & Pick<ClaimedMessage, "isKept" | "topic" | "id" | "orderingKey">;

export class Relay {
  readonly #options: RelayOptions;
  readonly #pace: Pace;
  /** What became of messages, not yet written. */
  readonly #reports = new PendingReports();
  /** Ordered messages that this process started and waits for. */
  readonly #awaited = new Set<string>();
  #announced = "";
  #upkeepAt = Number.NEGATIVE_INFINITY;
  #suspectsAt = Number.NEGATIVE_INFINITY;
  #watchAt = Number.NEGATIVE_INFINITY;
  #hasComplained = false;
  #hasNoStarts: boolean | undefined;

  constructor(options: RelayOptions) {
    this.#options = options;
    this.#pace = new Pace(options.clock, options.random, options.pollMs);
  }

  /** Until the signal aborts; what is known by then is still reported. */
  async run(signal: AbortSignal): Promise<void> {
    const stopHearing = this.#options.outbox.hear(() => this.#pace.hurry());
    try {
      while (!signal.aborted) {
        const outcome = await this.#tryTurn();
        if (outcome === "busy") this.#pace.hurry();
        else if (outcome === "failed" || this.#reports.isEmpty) await this.#pace.pause(signal);
      }
      await this.#reportRest();
    } finally {
      stopHearing();
    }
  }

  /** Jobs were registered: look now. */
  poke(): void {
    this.#pace.hurry();
  }

  // ── A turn ───────────────────────────────────────────────────────────────────────────────────────────────────────

  /** `busy`: there may be more. A participant that is away is asked again at the pace of an idle one. */
  async #tryTurn(): Promise<"busy" | "idle" | "failed"> {
    try {
      const isBusy = await this.#turn();
      this.#hasComplained = false;
      return isBusy ? "busy" : "idle";
    } catch (error) {
      this.#complain(error);
      this.#pace.slowDown();
      return "failed";
    }
  }

  async #turn(): Promise<boolean> {
    const subscriptions = await this.#subscriptions();
    if (subscriptions.length === 0 && this.#reports.isEmpty) return false;
    await this.#announce(subscriptions);
    const now = this.#options.clock.monotonicMs();
    const isForSuspects = now - this.#suspectsAt >= Math.min(maxSuspectEveryMs, this.#options.leaseMs / 3);
    const isBusy = await this.#exchange(subscriptions, isForSuspects ? "suspect" : "fresh");
    // The next one at once, until none is left.
    if (isForSuspects && !isBusy) this.#suspectsAt = now;
    return isBusy || isForSuspects;
  }

  async #exchange(subscriptions: readonly Subscription[], kind: "fresh" | "suspect"): Promise<boolean> {
    const topics = topicsOf(subscriptions);
    // One suspect at a time: if it kills this process, no other message is counted with it.
    const limit = kind === "suspect" ? 1 : claimBatch;
    const limitPerTopic = Math.min(limit, Math.max(minPerTopic, Math.ceil(limit / topics.length)));
    const subscribers = subscriptions.map(({ subscriber }) => subscriber);
    const reports = this.#reports.take();
    const sentAt = this.#options.clock.monotonicMs();
    let answer: Awaited<ReturnType<OutboxPort["exchange"]>>;
    try {
      answer = await this.#options.outbox.exchange({
        reports,
        claim:
          topics.length === 0
            ? null
            : { topics, subscribers, kind, limit, limitPerTopic, leaseMs: this.#options.leaseMs },
        watch: this.#mayWatch() ? { topics, limit: watchBatch, everyMs: watchEveryMs } : null,
      });
    } catch (error) {
      this.#reports.giveBack(reports);
      throw error;
    }
    if (answer.claimed.length === 0) this.#pace.spare(this.#options.clock.monotonicMs() - sentAt);
    const known = [...answer.subscriptions, ...subscriptions];
    await Promise.all(answer.claimed.map((message) => this.#deliver(message, subscriptions, known)));
    await this.#look(answer.watched);
    return answer.claimed.length > 0;
  }

  async #subscriptions(): Promise<readonly Subscription[]> {
    const { consumers, isOwn } = this.#options;
    this.#hasNoStarts ??= await isOwn();
    return this.#hasNoStarts ? consumers.subscriptions : [...consumers.subscriptions, consumers.starts];
  }

  /** Others leave a message for the subscribers that they know of, so these are made known before the first claim. */
  async #announce(subscriptions: readonly Subscription[]): Promise<void> {
    const { clock, outbox, log, name } = this.#options;
    const text = JSON.stringify(subscriptions);
    const now = clock.monotonicMs();
    if (text === this.#announced && now - this.#upkeepAt < upkeepEveryMs) return;
    if (subscriptions.length > 0) await outbox.subscribe(subscriptions);
    this.#announced = text;
    if (now - this.#upkeepAt < upkeepEveryMs) return;
    this.#upkeepAt = now;
    await outbox.prune();
    for (const { topic, remaining, count } of await outbox.unserved())
      log.warn(
        { participant: name, topic, subscribers: remaining, count },
        remaining === null
          ? "messages wait, and no live process has a job that subscribes to this topic"
          : "messages wait for subscribers that no live process has; start one, or app.messages.unsubscribe them",
      );
  }

  // ── Delivering ───────────────────────────────────────────────────────────────────────────────────────────────────

  /** To all subscribers that are registered here and have not had it. Never rejects. */
  async #deliver(
    message: ClaimedMessage,
    mine: readonly Subscription[],
    known: readonly Subscription[],
  ): Promise<void> {
    const verdict = await this.#verdictOn(message, mine, known);
    this.#tell(message, verdict);
    this.#report(message, "claimed", verdict);
    if (verdict.kind === "started") this.#await(message, verdict.executions);
  }

  async #verdictOn(
    message: ClaimedMessage,
    mine: readonly Subscription[],
    known: readonly Subscription[],
  ): Promise<Verdict> {
    if (message.starts > maxStarts) return { kind: "dead", error: poison(message.starts) };
    const [here, anywhere] = [subscribersOf(message, mine), subscribersOf(message, known)];
    const due = (message.remaining ?? [...anywhere]).filter((subscriber) => anywhere.has(subscriber));
    const outcomes = await Promise.allSettled(
      due.filter((subscriber) => here.has(subscriber)).map((subscriber) => this.#start(subscriber, message)),
    );
    const failure = outcomes.find((outcome) => outcome.status === "rejected");
    if (failure !== undefined) return afterFailure(message.fails, failure.reason);
    const started = outcomes.flatMap((outcome) => (outcome.status === "fulfilled" ? [outcome.value] : []));
    const executions = message.orderingKey === null ? [] : [...message.executions, ...started];
    const remaining = due.filter((subscriber) => !here.has(subscriber));
    if (remaining.length > 0) return { kind: "partly", remaining, executions };
    return executions.length === 0 ? { kind: "done" } : { kind: "started", executions };
  }

  async #start(subscriber: string, message: ClaimedMessage): Promise<StartedExecution> {
    const { consumers, outbox } = this.#options;
    if (message.topic === consumers.starts.topic) return consumers.accept(message.payload);
    return consumers.deliver(subscriber, message, outbox.decode(message.payload));
  }

  #tell(message: Settling, verdict: Verdict): void {
    const fields = { participant: this.#options.name, topic: message.topic, messageId: message.id };
    const { log } = this.#options;
    if (verdict.kind === "retry")
      log.warn({ ...fields, error: verdict.error }, "message not delivered; it will be tried again");
    if (verdict.kind === "dead")
      log.error(
        { ...fields, error: verdict.error },
        "message set aside as dead: correct what is wrong, then app.messages.retry or skip it",
      );
    if (verdict.kind === "blocked")
      log.error(
        { ...fields, orderingKey: message.orderingKey, error: verdict.error },
        "message blocks its ordering key: resume or restart the execution, or app.messages.retry or skip the message",
      );
  }

  // ── Order ────────────────────────────────────────────────────────────────────────────────────────────────────────

  /** Looked at as soon as they have ended here, or as this process is told of it. */
  #await(message: Omit<WatchedMessage, "isBlocked">, executions: readonly StartedExecution[]): void {
    if (this.#awaited.has(message.seq)) return;
    this.#awaited.add(message.seq);
    const ended = Promise.all(executions.map(({ id }) => this.#options.consumers.ended(id)));
    void ended
      .then(() => this.#look([{ ...message, executions, isBlocked: false }]))
      .catch((error: unknown) => this.#complain(error))
      .finally(() => {
        this.#awaited.delete(message.seq);
        this.#pace.hurry();
      });
  }

  async #look(messages: readonly WatchedMessage[]): Promise<void> {
    if (messages.length === 0) return;
    const standings = await this.#options.consumers.standings(messages.flatMap(({ executions }) => executions));
    let from = 0;
    for (const message of messages) {
      const to = from + message.executions.length;
      this.#judge(message, standings.slice(from, to));
      from = to;
    }
  }

  #judge(message: WatchedMessage, standings: readonly Standing[]): void {
    const verdict = afterLook(message, standings);
    if (verdict === null) return;
    this.#tell(message, verdict);
    this.#report(message, "watched", verdict);
    if (verdict.kind === "started") this.#await(message, verdict.executions);
  }

  #mayWatch(): boolean {
    const now = this.#options.clock.monotonicMs();
    if (now - this.#watchAt < this.#options.pollMs) return false;
    this.#watchAt = now;
    return true;
  }

  // ── Small things ─────────────────────────────────────────────────────────────────────────────────────────────────

  #report({ seq, fence, isKept }: Settling, of: Report["of"], verdict: Verdict): void {
    this.#reports.add({ seq, fence, isKept, of, verdict });
  }

  async #reportRest(): Promise<void> {
    const reports = this.#reports.take();
    if (reports.length === 0) return;
    try {
      await this.#options.outbox.exchange({ reports, claim: null, watch: null });
    } catch (error) {
      this.#complain(error);
    }
  }

  /** Once for each time that it stops working. */
  #complain(error: unknown): void {
    const { log, name } = this.#options;
    const message = "messages could not be relayed; it will be tried again";
    if (this.#hasComplained) log.debug({ err: error, participant: name }, message);
    else log.warn({ err: error, participant: name }, message);
    this.#hasComplained = true;
  }
}
