// The outbox: messages committed with the change they announce, kept until a relay has delivered them.
//
// The authority is the row. A relay claims rows by status, never by "id above the last seen", so a transaction that
// commits late loses nothing. A claim is short: it gives the row a lease and raises its fence, and nothing is delivered
// inside it. What became of the message is a report that names the fence; a report of an older claim matches nothing. A
// relay that dies leaves a claimed row, which others take when the lease is out; delivering again is harmless, since an
// execution is started by a key made of the message.
//
// waiting → claimed → done                         delivered to every subscriber
//                   → waiting                      given back, to be tried again, or to be delivered to the rest of its subscribers
//                   → started ⇄ blocked → done     ordered: its executions are waited for
//                   → dead → waiting               set aside; a person retries it
//                     dead, blocked → skipped      a person lets the next one go
// waiting → canceled                               its publisher took it back
import { OptionError } from "../../core/errors.ts";
import type { AnyTopic, PublishOptions, Topic } from "../../core/message.ts";
import type { NewMessage, OutboxPort, Report } from "../../core/outbox.ts";
import type { Answer, Mode } from "../../core/participant.ts";
import type { Script } from "../../core/script.ts";
import { isSync } from "../alone.ts";
import type { Base } from "../base.ts";
import { ask } from "../work.ts";
import { checkText, createPreparer, idReused, refuseLateSchema } from "./prepare.ts";
import { type OutboxSql, type ReportRow, toReportRow } from "./sql.ts";

/** For so long a subscriber counts that no process has shown: a deployment that is away for a week finds its messages. */
const subscriberMemoryMs = 7 * 86_400_000;
/** How long the id of a message that ended answers to a publisher that repeats. */
const keepMs = 7 * 86_400_000;
const pruneBatch = 500;
const unservedAfterMs = 60_000;
const maxInsertTries = 3;

/** The outbox's methods of a participant. */
export interface Publishing<Tx, M extends Mode> {
  publish<I>(tx: Tx, to: Topic<I, unknown>, payload: NoInfer<I>, options?: PublishOptions): Answer<M, string>;
  cancelMessages(tx: Tx, cancelKey: string): Answer<M, number>;
}

export interface Outbox<Tx, M extends Mode> {
  readonly publishing: Publishing<Tx, M>;
  readonly port: OutboxPort;
}

export function createOutbox<Tx, M extends Mode>(base: Base<Tx, M>): Outbox<Tx, M> {
  const port = createPort(base);
  const prepare = createPreparer(base);
  const insert = (tx: Tx, message: NewMessage): Answer<M, string> => base.inside(tx, ask(insertAndName(port, message)));
  const publishSync = (tx: Tx, to: AnyTopic, payload: unknown, options: PublishOptions): unknown =>
    insert(tx, refuseLateSchema(prepare(to, payload, options), to));
  const publishAsync = async (tx: Tx, to: AnyTopic, payload: unknown, options: PublishOptions): Promise<unknown> =>
    insert(tx, await prepare(to, payload, options));
  const publish = isSync(base.adapter) ? publishSync : publishAsync;
  return {
    port,
    publishing: {
      publish: (tx, to, payload, options = {}) => publish(tx, to as AnyTopic, payload, options) as Answer<M, string>,
      cancelMessages: (tx, cancelKey) => cancelMessages(base, tx, cancelKey),
    },
  };
}

function* insertAndName(port: OutboxPort, message: NewMessage): Script<string> {
  yield* port.insertScript(message);
  return message.id;
}

function cancelMessages<Tx, M extends Mode>(base: Base<Tx, M>, tx: Tx, cancelKey: string): Answer<M, number> {
  const cancel = (): unknown => base.inside(tx, ask(base.dialect.outbox.cancel(checkKey(cancelKey))));
  return (isSync(base.adapter) ? cancel() : (async () => cancel())()) as Answer<M, number>;
}

const checkKey = (key: unknown): string => {
  if (key === undefined) throw new OptionError("cancelKey", "cancelMessages: expected a cancelKey, found undefined");
  return checkText(key, "cancelKey");
};

function createPort<Tx, M extends Mode>(base: Base<Tx, M>): OutboxPort {
  const sql = base.dialect.outbox;
  const listeners = new Set<() => void>();
  return {
    *insertScript(message) {
      yield* insertOnce(sql, message);
      for (const tell of listeners) tell();
    },
    hear(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    decode: (payload) => base.values.decode(payload),
    exchange: ({ reports, claim, watch }) =>
      base.alone(function* () {
        yield* writeReports(sql, reports);
        const claimed = claim === null ? [] : yield* sql.claim(claim, subscriberMemoryMs);
        const watched = watch === null ? [] : yield* sql.watch(watch);
        const topics = [...new Set(claimed.map(({ topic }) => topic))];
        // Read after the claim: whoever subscribed before these messages were committed is seen.
        const subscriptions = topics.length === 0 ? [] : yield* sql.subscriptions(topics, subscriberMemoryMs);
        const bySeq = [...claimed].sort((a, b) => Number(BigInt(a.seq) - BigInt(b.seq)));
        return { claimed: bySeq, watched, subscriptions };
      }),
    subscribe: (subscriptions) => base.alone(() => sql.subscribe(subscriptions)),
    unsubscribe: (subscription) => base.alone(() => sql.unsubscribe(subscription)),
    async prune() {
      while ((await base.alone(() => sql.prune(keepMs, pruneBatch))) === pruneBatch);
    },
    unserved: () => base.alone(() => sql.unserved(unservedAfterMs)),
    stuck: (limit) => base.alone(() => sql.stuck(limit)),
    find: (message) => base.alone(() => sql.lockStuck(message)),
    decide: (message, verb, { actor, note }) =>
      base.alone(function* () {
        const found = yield* sql.lockStuck(message);
        const audit = JSON.stringify({ verb, actor, note, at: base.clock.now() });
        if (found !== null) yield* sql.decide(message, verb, audit);
        return found;
      }),
  };
}

/** A row that stands in the way and cannot be read has just been deleted: the id is free again. */
function* insertOnce(sql: OutboxSql, message: NewMessage): Script<void> {
  for (let tried = 1; ; tried++) {
    if (yield* sql.insert(message)) return;
    const known = yield* sql.fingerprintOf(message);
    if (known === undefined && tried < maxInsertTries) continue;
    if (known !== message.fingerprint) throw idReused(message);
    return;
  }
}

function* writeReports(sql: OutboxSql, reports: readonly Report[]): Script<void> {
  const isRemoved = ({ verdict, isKept }: Report): boolean => verdict.kind === "done" && !isKept;
  const rows = (of: readonly Report[]): readonly ReportRow[] => of.map(toReportRow);
  const removed = reports.filter(isRemoved);
  const written = reports.filter((report) => !isRemoved(report));
  if (removed.length > 0) yield* sql.remove(rows(removed));
  if (written.length > 0) yield* sql.report(rows(written));
}
