// From a publisher's arguments to a row. Everything a caller can get wrong is refused here, before the database is touched.
import { canonicalText } from "../../core/codec.ts";
import { toMs } from "../../core/duration.ts";
import { CatalogError, describeValue, isCleanText, OptionError } from "../../core/errors.ts";
import { createIdSource } from "../../core/ids.ts";
import { fingerprint } from "../../core/keys.ts";
import { type AnyTopic, checkTopic, type PublishOptions } from "../../core/message.ts";
import { checkOptions } from "../../core/options.ts";
import type { NewMessage } from "../../core/outbox.ts";
import type { Awaitable, Mode } from "../../core/participant.ts";
import { validateInput } from "../../core/schema.ts";
import { sha256 } from "../../system.ts";
import type { Base } from "../base.ts";

const optionKeys: readonly (keyof PublishOptions)[] = ["id", "orderingKey", "delay", "headers", "cancelKey"];
const maxTextBytes = 255;
const maxHeaders = 32;

/** A promise only where the topic's schema gives one. May throw at once. */
export function createPreparer<Tx, M extends Mode>({ clock, random, values, limits }: Base<Tx, M>) {
  const newId = createIdSource(clock.now, (count) => random.bytes(count));
  return (to: AnyTopic, payload: unknown, options: PublishOptions): Awaitable<NewMessage> => {
    checkTopic(to, "publish");
    checkOptions(options, optionKeys, "publish");
    const { id, orderingKey, cancelKey } = options;
    const stored = values.store(payload, "payload", limits.maxSignalBytes);
    const bounds = { maxBytes: limits.maxSignalBytes, maxDepth: limits.maxDepth };
    const message: NewMessage = {
      topic: to.name,
      id: id === undefined ? newId() : checkText(id, "id"),
      orderingKey: orderingKey === undefined ? null : checkText(orderingKey, "orderingKey"),
      cancelKey: cancelKey === undefined ? null : checkText(cancelKey, "cancelKey"),
      headers: checkHeaders(options.headers),
      payload: stored.bytes,
      fingerprint: id === undefined ? null : fingerprint(sha256, canonicalText(stored.value, "payload", bounds)),
      delayMs: options.delay === undefined ? 0 : toMs(options.delay, "publish: delay"),
    };
    if (to.schema === null) return message;
    const checked = validateInput(to.schema, stored.value, { what: `payload of ${to.name}` });
    if ("then" in checked) return checked.then((late) => (late.ok ? message : Promise.reject(late.error)));
    if (!checked.ok) throw checked.error;
    return message;
  };
}

/** Throws OPTION_INVALID unless it is a text of 1 to 255 bytes without U+0000. */
export function checkText(text: unknown, option: string): string {
  const isFine =
    typeof text === "string" && text !== "" && isCleanText(text) && Buffer.byteLength(text) <= maxTextBytes;
  if (isFine) return text;
  throw new OptionError(
    option,
    `publish: ${option}: expected a text of 1 to ${maxTextBytes} bytes in UTF-8, without U+0000, found ${describeValue(text)}`,
  );
}

function checkHeaders(headers: unknown): Readonly<Record<string, string>> {
  if (headers === undefined) return {};
  const entries = typeof headers === "object" && headers !== null ? Object.entries(headers) : undefined;
  if (entries === undefined || Array.isArray(headers) || entries.length > maxHeaders)
    throw new OptionError(
      "headers",
      `publish: headers: expected an object of at most ${maxHeaders} texts, found ${describeValue(headers)}`,
    );
  return Object.fromEntries(
    entries.map(([name, value]) => [checkText(name, "headers"), checkText(value, `headers.${name}`)]),
  );
}

/** On a synchronous client nothing may be awaited between the schema's answer and the insert. */
export function refuseLateSchema(message: Awaitable<NewMessage>, to: AnyTopic): NewMessage {
  if (!("then" in message)) return message;
  Promise.resolve(message).catch(() => undefined);
  throw new OptionError(
    "topic",
    `publish: expected topic ${to.name} to have a synchronous schema on a synchronous participant, found one that answers with a promise`,
  );
}

export function idReused({ topic, id }: { readonly topic: string; readonly id: string }): CatalogError {
  return new CatalogError(
    "MESSAGE_ID_REUSED",
    `publish: expected the payload that message ${describeValue(id)} of topic ${topic} was first published with, found another. Make the id of all that makes the message another one`,
    { topic, id },
  );
}
