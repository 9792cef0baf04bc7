// Messages that need a person: dead ones, and those that block an ordering key.
import { CatalogError, describeValue, OptionError, type StoredError } from "../core/errors.ts";
import { isTerminal } from "../core/execution.ts";
import type { AnyJob } from "../core/job.ts";
import type { AnyTopic } from "../core/message.ts";
import { checkOptions } from "../core/options.ts";
import type { StartedExecution, StuckMessage } from "../core/outbox.ts";
import type { Participant } from "../core/participant.ts";
import { type CommandOptions, type Commands, defaultActor } from "./commands.ts";
import type { Consumers } from "./consumers.ts";
import type { Session } from "./session.ts";

/** Names a message. What `stuck` lists can be handed over as it is. */
export interface MessageAddress {
  /** The participant whose outbox holds it. */
  readonly participant: string;
  readonly topic: string;
  readonly id: string;
}

export interface ShownMessage extends MessageAddress {
  /** `dead`: set aside with its error. `blocked`: ordered, and one of its executions ended without success or is parked. */
  readonly status: "dead" | "blocked";
  readonly orderingKey: string | null;
  readonly error: StoredError | null;
  readonly publishedAt: Date;
  readonly executions: readonly StartedExecution[];
}

export class Messages {
  readonly #session: Session;
  readonly #commands: Commands;
  readonly #consumers: Consumers;
  readonly #participants: readonly Participant<unknown>[];

  constructor(
    session: Session,
    commands: Commands,
    consumers: Consumers,
    participants: readonly Participant<unknown>[],
  ) {
    this.#session = session;
    this.#commands = commands;
    this.#consumers = consumers;
    this.#participants = participants;
  }

  /** What needs a person, oldest first, at most `limit` of each participant. */
  async stuck(limit = 100): Promise<readonly ShownMessage[]> {
    const lists = await Promise.all(
      this.#participants.map(async ({ name, port }) =>
        (await port.outbox.stuck(limit)).map((message) => shown(name, message)),
      ),
    );
    return lists.flat();
  }

  /**
   * Delivers a dead message again; lets the failed executions of a blocked one go on, parked ones with fresh attempts and
   * ended ones in a new round. Throws MESSAGE_UNKNOWN if it is not stuck, and what `app.retry` and `app.restart` throw.
   */
  async retry(message: MessageAddress, options: CommandOptions = {}): Promise<void> {
    checkOptions(options, ["actor", "note"], "retry");
    const before = await this.#find(message.participant).port.outbox.find(message);
    // Its executions first: the relay is to find them going on when it looks.
    const blocked = before?.status === "blocked" ? before.executions : [];
    for (const execution of blocked) await this.#letGoOn(execution, options);
    const decided = await this.#decide(message, "retry", options);
    // A blocked one may be done by now: its executions bear the actor.
    if (decided === null && blocked.length === 0) throw notStuck("retry", message);
    this.#session.registered();
  }

  /** Settles a stuck message as it is; the next one of its ordering key is delivered. Throws MESSAGE_UNKNOWN if it is not stuck. */
  async skip(message: MessageAddress, options: CommandOptions = {}): Promise<void> {
    if ((await this.#decide(message, "skip", options)) === null) throw notStuck("skip", message);
    this.#session.registered();
  }

  /**
   * A job that was removed hears a topic no longer: messages do not wait for it, those that waited go on. False: it was not
   * known there. A process that has the job makes it known again within a minute.
   */
  async unsubscribe(participant: string, from: Pick<AnyTopic, "name">, job: Pick<AnyJob, "name">): Promise<boolean> {
    const { port } = this.#find(participant);
    return port.outbox.unsubscribe({ topic: from.name, subscriber: this.#consumers.subscriberOf(job.name) });
  }

  async #decide(
    { participant, topic, id }: MessageAddress,
    verb: "skip" | "retry",
    options: CommandOptions,
  ): Promise<StuckMessage | null> {
    checkOptions(options, ["actor", "note"], verb);
    const by = { actor: options.actor ?? defaultActor, note: options.note ?? null };
    return this.#find(participant).port.outbox.decide({ topic, id }, verb, by);
  }

  async #letGoOn({ id, job, key }: StartedExecution, options: CommandOptions): Promise<void> {
    await this.#session.open();
    const { namespace, store } = this.#session.env;
    const newest =
      key === null ? null : await this.#session.insist(() => store.reads.findByKey({ namespace, job, key }));
    const last = newest?.id ?? id;
    const row = await this.#session.insist(() => store.reads.find(last));
    if (row?.status === "parked") await this.#commands.retry(last, options);
    else if (row !== null && isTerminal(row.status) && row.status !== "completed")
      await this.#commands.restart(last, options);
  }

  #find(name: string): Participant<unknown> {
    const found = this.#participants.find((participant) => participant.name === name);
    if (found !== undefined) return found;
    throw new OptionError(
      "participant",
      `expected one of the participants named to makegood() (${this.#participants.map((one) => one.name).join(", ")}), found ${describeValue(name)}`,
    );
  }
}

function shown(participant: string, { publishedAt, ...message }: StuckMessage): ShownMessage {
  return { participant, ...message, publishedAt: new Date(publishedAt) };
}

function notStuck(verb: string, { participant, topic, id }: MessageAddress): CatalogError {
  return new CatalogError(
    "MESSAGE_UNKNOWN",
    `${verb}: expected a stuck message ${describeValue(id)} of topic ${describeValue(topic)} in ${participant}, found none`,
    { participant, topic, id },
  );
}
