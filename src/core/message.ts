// Messages: announced in a transaction of the user's, delivered to the jobs that subscribe. Types and the thin constructors.
import type { Stored } from "./codec.ts";
import type { Duration } from "./duration.ts";
import { describeValue, OptionError } from "./errors.ts";
import { validateJobName } from "./keys.ts";
import { checkOptions } from "./options.ts";
import { checkSchema, type Schema } from "./schema.ts";

/** Names a kind of message, with the type of its payload: `I` is what publishers hand over and what is stored. */
export interface Topic<I, O = I> {
  readonly kind: "topic";
  readonly name: string;
  readonly schema: Schema<I, O> | null;
}
/** A topic of any payload. */
// biome-ignore lint/suspicious/noExplicitAny: variance; a list of topics holds every kind
export type AnyTopic = Topic<any, any>;

/** A message as its subscribers see it; the same at every delivery. */
export interface Message<P> {
  /** Unique within the topic. */
  readonly id: string;
  readonly topic: string;
  readonly payload: P;
  readonly headers: Readonly<Record<string, string>>;
  readonly orderingKey: string | null;
  /** By the clock of the publisher's database, when the row was inserted; the commit came later. */
  readonly publishedAt: Date;
}

export interface PublishOptions {
  /**
   * Made of business data, 1 to 255 bytes: a business transaction that runs twice then publishes once. The same id with the
   * same payload is the same message; with another payload MESSAGE_ID_REUSED. Default: a fresh one.
   */
  readonly id?: string;
  /**
   * Messages of one topic and key are delivered one after another: the next when the executions of the one before have
   * completed. 1 to 255 bytes. Default: no order.
   */
  readonly orderingKey?: string;
  /** Not delivered before this long after the insert, by the database's clock. Meanwhile others of its key may pass it. Default 0. */
  readonly delay?: Duration;
  /** Texts beside the payload: at most 32, names and values of at most 255 bytes. `traceparent` becomes the trace context of what it starts. */
  readonly headers?: Readonly<Record<string, string>>;
  /** `cancelMessages(tx, cancelKey)` takes back what was published with it and is not on its way yet. 1 to 255 bytes. */
  readonly cancelKey?: string;
}

/** Starts a job once for each message of a topic. */
export interface MessageTrigger<I> {
  readonly kind: "message";
  readonly topic: AnyTopic;
  /** The job's input, made of the message; null: the payload. */
  // biome-ignore lint/suspicious/noExplicitAny: the topic says which payload
  readonly input: ((message: Message<any>) => I) | null;
}

/**
 * Names a kind of message that participants publish and jobs subscribe to, with the type of its payload. Without a schema
 * there is no payload. Throws JOB_NAME_INVALID, OPTION_INVALID.
 */
export function topic<I = void, O = I>(name: string, schema?: Schema<I, O>): Topic<I, O> {
  validateJobName(name);
  if (schema !== undefined) checkSchema(schema, `topic ${name}`);
  return { kind: "topic", name, schema: schema ?? null };
}

export interface OnMessageOptions<I, J> {
  /** Makes the job's input of the message; pure, since a message may be delivered more than once. Default: the payload. */
  readonly input: (message: Message<Stored<I>>) => J;
}

/**
 * For a job's `on`: starts it once for each message of the topic. Without `input` the payload is the job's input. A job
 * without a key of its own gets one made of topic and message id; with one, two messages of the same key are one execution.
 */
export function onMessage<I, O>(of: Topic<I, O>): MessageTrigger<I>;
export function onMessage<I, O, J>(of: Topic<I, O>, options: OnMessageOptions<I, J>): MessageTrigger<J>;
// biome-ignore lint/suspicious/noExplicitAny: the overloads say which
export function onMessage(of: AnyTopic, options?: OnMessageOptions<any, unknown>): MessageTrigger<unknown> {
  checkTopic(of, "onMessage");
  if (options !== undefined) checkOptions(options, ["input"], "onMessage");
  const input = options?.input;
  if (input !== undefined && typeof input !== "function")
    throw new OptionError(
      "input",
      `onMessage: expected input to be a function of the message, found ${describeValue(input)}`,
    );
  return { kind: "message", topic: of, input: input ?? null };
}

/** Throws OPTION_INVALID, or JOB_NAME_INVALID, for what was not made with `topic()`. */
export function checkTopic(of: unknown, where: string): asserts of is AnyTopic {
  if (typeof of === "object" && of !== null && Reflect.get(of, "kind") === "topic")
    return void validateJobName(Reflect.get(of, "name"));
  throw new OptionError(where, `${where}: expected a topic made with topic(name, schema), found ${describeValue(of)}`);
}
