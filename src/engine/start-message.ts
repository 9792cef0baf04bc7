// A start in another database, on its way to the engine: the row of an execution as a message in that database's outbox. A
// stored format: what one version writes, the next one reads.
import { InvariantError } from "../core/errors.ts";
import type { NewMessage, Subscription } from "../core/outbox.ts";
import type { NewExecution } from "../core/store.ts";
import type { Env } from "./env.ts";
import type { IfExists } from "./starter.ts";

/** No topic of a user's begins so. */
const topicPrefix = "$start:";
/** Of all that stands beside the input. */
const frameBytes = 64 * 1_024;

interface StoredStart {
  readonly v: 1;
  readonly execution: NewExecution;
  readonly ifExists: IfExists | undefined;
}

/** Starts that are meant for an engine of this namespace. */
export const startsOf = (namespace: string): Subscription => ({
  topic: `${topicPrefix}${namespace}`,
  subscriber: namespace,
});

/** The execution's id is the message's: inserted once, and started once. */
export function startMessage(env: Env, execution: NewExecution, ifExists: IfExists | undefined): NewMessage {
  const start: StoredStart = { v: 1, execution: { ...execution, claimFor: null }, ifExists };
  // Bytes within a value take a third more room than they have.
  const maxBytes = Math.ceil((env.limits.maxInputBytes * 4) / 3) + frameBytes;
  return {
    topic: startsOf(env.namespace).topic,
    id: execution.id,
    orderingKey: null,
    cancelKey: null,
    headers: {},
    payload: env.formats.input.encode(start, "start", maxBytes),
    fingerprint: null,
    delayMs: 0,
  };
}

export function readStart(env: Env, payload: Uint8Array | null): Pick<StoredStart, "execution" | "ifExists"> {
  const start = env.formats.input.decode(payload) as Partial<StoredStart> | undefined;
  if (start?.v !== 1 || start.execution?.namespace !== env.namespace)
    throw new InvariantError(`Expected a start of version 1 in namespace ${env.namespace}`, {
      version: start?.v,
      namespace: start?.execution?.namespace,
    });
  return { execution: start.execution, ifExists: start.ifExists };
}
