// What starts a job without a call, as a job's `on` lists it.
import { describeValue, OptionError } from "./errors.ts";
import type { MessageTrigger } from "./message.ts";
import type { CompletedTrigger } from "./schedule/completed.ts";
import type { TimeTrigger } from "./schedule/trigger.ts";

/** It supplies the job's input, so it is typed by it. */
export type Trigger<I> = MessageTrigger<I> | ScheduleTrigger<I>;
/** What becomes a schedule. */
export type ScheduleTrigger<I> = TimeTrigger<I> | CompletedTrigger<I>;

/** A job's `on`, checked: each topic once, so that a message starts the job once. Throws OPTION_INVALID. */
export function checkTriggers(on: unknown, where: string): readonly Trigger<unknown>[] {
  if (on === undefined) return [];
  if (!Array.isArray(on))
    throw new OptionError(where, `${where}: expected a list of triggers, found ${describeValue(on)}`);
  const topics = on.map((trigger: unknown) => topicOf(trigger, where));
  const twice = topics.find((name, at) => name !== null && topics.indexOf(name) !== at);
  if (twice === undefined) return on as readonly Trigger<unknown>[];
  throw new OptionError(where, `${where}: expected each topic once, found ${JSON.stringify(twice)} twice`);
}

/** Null for what becomes a schedule. */
function topicOf(trigger: unknown, where: string): string | null {
  const found: Partial<Trigger<unknown>> = typeof trigger === "object" && trigger !== null ? trigger : {};
  if (found.kind === "message" && found.topic?.kind === "topic") return found.topic.name;
  if (found.kind === "time" && found.schedule !== undefined) return null;
  if (found.kind === "completed" && found.of !== undefined) return null;
  throw new OptionError(
    where,
    `${where}: expected triggers such as cron("0 30 2 * * ?"), every("5m"), onCompleted(job) or onMessage(topic), found ${describeValue(trigger)}`,
  );
}
