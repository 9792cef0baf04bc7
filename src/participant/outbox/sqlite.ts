import { type ClaimedMessage, statusNumber } from "../../core/outbox.ts";
import { nowMs } from "../migrations/now.ts";
import { positional } from "./positional.ts";
import { type OutboxSql, parseClaimed, parseStuck, parseSubscription, parseUnserved, parseWatched } from "./sql.ts";

// One writer at a time: the adapters begin with BEGIN IMMEDIATE, so no two claims overlap and nothing need be locked.
const now = `(SELECT ${nowMs.sqlite})`;

const insert = positional(`
INSERT INTO makegood_outbox
       (topic, id, ordering_key, cancel_key, headers, payload, fingerprint, not_before, due_at, published_at)
SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7, CASE WHEN ?8 > 0 THEN clock.now + ?8 END, clock.now + ?8, clock.now
  FROM (SELECT ${nowMs.sqlite} AS now) AS clock WHERE true
ON CONFLICT (topic, id) DO NOTHING
RETURNING fence`);

const fingerprintOf = positional(`SELECT fingerprint FROM makegood_outbox WHERE topic = ?1 AND id = ?2`);

const cancel = positional(`
UPDATE makegood_outbox SET status = ${statusNumber("canceled")}, ended_at = ${now}
 WHERE cancel_key = ?1 AND status = ${statusNumber("waiting")}
RETURNING fence`);

// The first ones of a topic that are due, by index makegood_outbox_due; the rest as on PostgreSQL.
const claim = (status: number) =>
  positional(`
UPDATE makegood_outbox
   SET status = 1, fence = fence + 1, starts = starts + 1, due_at = ${now} + ?4
 WHERE seq IN (
   SELECT o.seq
     FROM makegood_outbox AS o
    WHERE o.topic = ?1 AND o.status = ${status} AND o.status < 4 AND o.due_at <= ${now}
      AND (o.ordering_key IS NULL OR NOT EXISTS (
            SELECT 1 FROM makegood_outbox AS earlier
             WHERE earlier.topic = o.topic AND earlier.ordering_key = o.ordering_key AND earlier.seq < o.seq
               AND earlier.status < 5
               AND NOT (earlier.status = 0 AND earlier.not_before IS NOT NULL AND earlier.not_before > ${now})))
      AND (o.remaining IS NULL
           OR EXISTS (SELECT 1 FROM json_each(o.remaining) AS rest JOIN json_each(?2) AS mine ON mine.value = rest.value)
           OR NOT EXISTS (SELECT 1 FROM json_each(o.remaining) AS rest
                            JOIN makegood_outbox_subscriber AS s ON s.topic = o.topic AND s.subscriber = rest.value
                           WHERE s.seen_at > ${now} - ?5))
    ORDER BY o.due_at, o.seq
    LIMIT ?3)
RETURNING seq, topic, id, fence, ordering_key, headers, payload, fingerprint, starts, fails, executions, remaining, published_at`);
const claimOf = { fresh: claim(statusNumber("waiting")), suspect: claim(statusNumber("claimed")) } as const;

const watch = positional(`
UPDATE makegood_outbox
   SET due_at = ${now} + ?3
 WHERE seq IN (SELECT o.seq FROM makegood_outbox AS o
                WHERE o.topic = ?1 AND o.status IN (2, 3) AND o.status < 4 AND o.due_at <= ${now}
                ORDER BY o.due_at, o.seq LIMIT ?2)
RETURNING seq, topic, id, fence, ordering_key, executions, status, fingerprint`);

// Served by the primary key. A report of an older claim names an older fence, and matches nothing.
const field = (name: string): string => `json_extract(n.value, '$.${name}')`;
const isHeld = `o.seq = CAST(${field("seq")} AS INTEGER) AND o.fence = ${field("fence")}
   AND CASE ${field("held")} WHEN 'claimed' THEN o.status = 1 ELSE o.status IN (2, 3) END`;
const report = positional(`
UPDATE makegood_outbox AS o
   SET status = ${field("status")}, due_at = ${now} + ${field("delayMs")}, starts = 0, fails = ${field("fails")},
       error = ${field("error")}, executions = coalesce(${field("executions")}, o.executions),
       remaining = coalesce(${field("remaining")}, o.remaining),
       ended_at = CASE WHEN ${field("status")} > 4 THEN ${now} END
  FROM json_each(?1) AS n
 WHERE ${isHeld}`);
const remove = positional(`
DELETE FROM makegood_outbox WHERE seq IN (SELECT o.seq FROM json_each(?1) AS n CROSS JOIN makegood_outbox AS o WHERE ${isHeld})`);

const subscribe = positional(`
INSERT INTO makegood_outbox_subscriber (topic, subscriber)
SELECT json_extract(value, '$.topic'), json_extract(value, '$.subscriber') FROM json_each(?1) WHERE true
ON CONFLICT (topic, subscriber) DO UPDATE SET seen_at = excluded.seen_at`);
const unsubscribe = positional(
  `DELETE FROM makegood_outbox_subscriber WHERE topic = ?1 AND subscriber = ?2 RETURNING topic`,
);
const subscriptions = positional(`
SELECT topic, subscriber FROM makegood_outbox_subscriber
 WHERE topic IN (SELECT value FROM json_each(?1)) AND seen_at > ${now} - ?2`);

const prune = positional(`
DELETE FROM makegood_outbox
 WHERE seq IN (SELECT seq FROM makegood_outbox WHERE status > 4 AND ended_at < ${now} - ?1 ORDER BY ended_at LIMIT ?2)
RETURNING fence`);

const unserved = positional(`
SELECT topic, remaining, count(*) AS count
  FROM (SELECT o.topic, o.remaining
          FROM makegood_outbox AS o
         WHERE o.status = 0 AND o.status < 4 AND o.due_at <= ${now} - ?1
           AND NOT EXISTS (SELECT 1 FROM makegood_outbox_subscriber AS s
                            WHERE s.topic = o.topic AND s.seen_at > ${now} - ?1 * 3
                              AND (o.remaining IS NULL OR s.subscriber IN (SELECT value FROM json_each(o.remaining))))
         LIMIT 10000) AS forgotten
 GROUP BY topic, remaining
 LIMIT 20`);

const stuck = positional(`
SELECT topic, id, status, ordering_key, error, executions, published_at
  FROM makegood_outbox WHERE status IN (3, 4) ORDER BY seq LIMIT ?1`);
const lockStuck = positional(`SELECT topic, id, status, ordering_key, error, executions, published_at
  FROM makegood_outbox WHERE topic = ?1 AND id = ?2 AND status IN (3, 4)`);
const audited = `audit = coalesce(audit || char(10), '') || ?3`;
const skip = positional(`
UPDATE makegood_outbox SET status = ${statusNumber("skipped")}, ended_at = ${now}, ${audited}
 WHERE topic = ?1 AND id = ?2 AND status IN (3, 4)`);
const retry = positional(`
UPDATE makegood_outbox
   SET status = CASE WHEN status = 4 THEN 0 ELSE status END, due_at = ${now}, starts = 0, fails = 0, ${audited}
 WHERE topic = ?1 AND id = ?2 AND status IN (3, 4)`);

export const outboxSqlite: OutboxSql = {
  *insert({ topic, id, orderingKey, cancelKey, headers, payload, fingerprint, delayMs }) {
    const headerText = Object.keys(headers).length === 0 ? null : JSON.stringify(headers);
    return (yield insert(topic, id, orderingKey, cancelKey, headerText, payload, fingerprint, delayMs)).length === 1;
  },
  *fingerprintOf({ topic, id }) {
    const [row] = yield fingerprintOf(topic, id);
    return row === undefined ? undefined : (row["fingerprint"] as string | null);
  },
  *cancel(cancelKey) {
    return (yield cancel(cancelKey)).length;
  },
  *claim({ topics, subscribers, kind, limit, limitPerTopic, leaseMs }, memoryMs) {
    const claimed: ClaimedMessage[] = [];
    for (const topic of topics) {
      const room = Math.min(limitPerTopic, limit - claimed.length);
      if (room === 0) break;
      const rows = yield claimOf[kind](topic, JSON.stringify(subscribers), room, leaseMs, memoryMs);
      claimed.push(...rows.map(parseClaimed));
    }
    return claimed;
  },
  *watch({ topics, limit, everyMs }) {
    const watched = [];
    for (const topic of topics) watched.push(...(yield watch(topic, limit, everyMs)).map(parseWatched));
    return watched;
  },
  *report(rows) {
    yield report(JSON.stringify(rows));
  },
  *remove(rows) {
    yield remove(JSON.stringify(rows));
  },
  *subscribe(added) {
    yield subscribe(JSON.stringify(added));
  },
  *unsubscribe({ topic, subscriber }) {
    return (yield unsubscribe(topic, subscriber)).length === 1;
  },
  *subscriptions(topics, memoryMs) {
    return (yield subscriptions(JSON.stringify(topics), memoryMs)).map(parseSubscription);
  },
  *prune(keepMs, limit) {
    return (yield prune(keepMs, limit)).length;
  },
  *unserved(olderThanMs) {
    return (yield unserved(olderThanMs)).map(parseUnserved);
  },
  *stuck(limit) {
    return (yield stuck(limit)).map(parseStuck);
  },
  *lockStuck({ topic, id }) {
    const [row] = yield lockStuck(topic, id);
    return row === undefined ? null : parseStuck(row);
  },
  *decide({ topic, id }, verb, audit) {
    yield (verb === "skip" ? skip : retry)(topic, id, audit);
  },
};
