// The engine, seen from the relay of messages: which jobs subscribe, how one is started for a message, and how it stands.
import type { JobSettings } from "../core/define.ts";
import { CatalogError, type StoredError } from "../core/errors.ts";
import { isTerminal, shownState } from "../core/execution.ts";
import type { ExecutionId } from "../core/ids.ts";
import type { AnyJob } from "../core/job.ts";
import { messageKey } from "../core/keys.ts";
import type { Message, MessageTrigger } from "../core/message.ts";
import type { ClaimedMessage, MessageConsumers, Standing, StartedExecution, Subscription } from "../core/outbox.ts";
import { parseStoredError, toStoredError } from "../core/stored-error.ts";
import type { Ending } from "./engagements.ts";
import type { Env } from "./env.ts";
import type { Session } from "./session.ts";
import { readStart, startsOf } from "./start-message.ts";
import type { Starter } from "./starter.ts";

/** The form of W3C's header. Another text is kept as a header and nothing more. */
const traceParent = /^[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$/;

interface Consumer {
  readonly job: AnyJob;
  readonly trigger: MessageTrigger<unknown>;
}

export class Consumers implements MessageConsumers {
  readonly #session: Session;
  readonly #starter: Starter;
  readonly starts: Subscription;

  constructor(session: Session, starter: Starter) {
    this.#session = session;
    this.#starter = starter;
    this.starts = startsOf(session.env.namespace);
  }

  get #env(): Env {
    return this.#session.env;
  }

  get subscriptions(): readonly Subscription[] {
    return this.#env.registry
      .newest()
      .flatMap(({ job, settings }) =>
        messageTriggers(settings).map(({ topic }) => ({ topic: topic.name, subscriber: this.subscriberOf(job.name) })),
      );
  }

  /** Namespaces hold no slash. */
  subscriberOf(job: string): string {
    return `${this.#env.namespace}/${job}`;
  }

  deliver(subscriber: string, message: ClaimedMessage, payload: unknown): Promise<StartedExecution> {
    const { job, trigger } = this.#find(subscriber, message.topic);
    const { topic, id, headers, orderingKey } = message;
    const whole: Message<unknown> = {
      id,
      topic,
      payload,
      headers,
      orderingKey,
      publishedAt: new Date(message.publishedAt),
    };
    const input = trigger.input === null ? payload : trigger.input(whole);
    const traceContext = headers["traceparent"];
    return this.#starter.startOnce(job, input, {
      key: messageKey(this.#env.sha256, message),
      actor: { kind: "system", id: `topic ${topic}` },
      traceContext: traceContext !== undefined && traceParent.test(traceContext) ? traceContext : undefined,
    });
  }

  accept(payload: Uint8Array | null): Promise<StartedExecution> {
    const { execution, ifExists } = readStart(this.#env, payload);
    return this.#starter.insert(execution, ifExists);
  }

  #find(subscriber: string, topic: string): Consumer {
    for (const { job, settings } of this.#env.registry.newest()) {
      if (this.subscriberOf(job.name) !== subscriber) continue;
      const trigger = messageTriggers(settings).find((one) => one.topic.name === topic);
      if (trigger !== undefined) return { job, trigger };
    }
    throw new CatalogError(
      "JOB_UNKNOWN",
      `expected ${subscriber} to be registered here, found none that hears ${topic}`,
      {
        subscriber,
        topic,
      },
    );
  }

  async ended(id: ExecutionId): Promise<void> {
    await this.#env.engagements.wait(id, true);
  }

  async standings(executions: readonly StartedExecution[]): Promise<readonly Standing[]> {
    const { reads } = this.#env.store;
    const endings = await reads.outcomes(executions.map(({ id }) => id));
    return Promise.all(
      executions.map(async (execution) => {
        const standing = this.#standing(execution, endings.get(execution.id));
        // A person may have restarted it, or retention taken it: the key knows the newest round and how it ended.
        return standing.kind === "failed" && execution.key !== null ? this.#newest(execution, standing) : standing;
      }),
    );
  }

  async #newest(execution: StartedExecution, standing: Standing): Promise<Standing> {
    const { reads } = this.#env.store;
    const { job, key } = execution;
    const newest = await reads.findByKey({ namespace: this.#env.namespace, job, key: key ?? "" });
    if (newest === null) return standing;
    if (newest.status === "completed") return { kind: "completed" };
    return newest.id === execution.id
      ? standing
      : this.#standing(newest, (await reads.outcomes([newest.id])).get(newest.id));
  }

  #standing({ id }: { readonly id: ExecutionId }, ending: Ending | undefined): Standing {
    if (ending?.status === "completed") return { kind: "completed" };
    if (ending !== undefined && !isTerminal(ending.status) && ending.status !== "parked") return { kind: "open", id };
    const state = ending === undefined ? "gone" : shownState(ending);
    return { kind: "failed", error: blockedBy(id, state, this.#errorOf(ending)) };
  }

  #errorOf(ending: Ending | undefined): StoredError | null {
    const error = ending?.error ?? null;
    return error === null ? null : parseStoredError(this.#env.formats.result.decode(error));
  }
}

function blockedBy(executionId: ExecutionId, state: string, error: StoredError | null): StoredError {
  const why = error === null ? "" : `: ${error.code}: ${error.message}`;
  return toStoredError(
    new CatalogError("MESSAGE_BLOCKED", `execution ${executionId} is ${state}${why}`, { executionId, state }),
  );
}

const messageTriggers = ({ triggers }: JobSettings): readonly MessageTrigger<unknown>[] =>
  triggers.filter((trigger) => trigger.kind === "message");
