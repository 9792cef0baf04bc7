import { type ClaimedMessage, statusNumber, type WatchedMessage } from "../../core/outbox.ts";
import type { Row, Script } from "../../core/script.ts";
import { affectedOf } from "../affected.ts";
import { nowMs } from "../migrations/now.ts";
import { positional } from "./positional.ts";
import { type OutboxSql, parseClaimed, parseStuck, parseSubscription, parseUnserved, parseWatched } from "./sql.ts";

// Topics, ids and keys are bytes, which no character set of a connection can change. Rows are locked by a select that skips
// what others hold, then written by their primary keys: MariaDB's UPDATE returns nothing. The keys come as a table that is
// read first, since a long IN list may end as a scan, which locks what it reads.
const now = nowMs.mysql;
const encoder = new TextEncoder();
const bytesOf = (text: string): Uint8Array => encoder.encode(text);
const bytesOrNull = (text: string | null): Uint8Array | null => (text === null ? null : bytesOf(text));

// Nothing is cut off by IGNORE: lengths are checked before.
const insert = positional(`
INSERT IGNORE INTO makegood_outbox
       (topic, id, ordering_key, cancel_key, headers, payload, fingerprint, not_before, due_at, published_at)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, IF(?8 > 0, ${now} + ?8, NULL), ${now} + ?8, ${now})`);

// A locking read: a plain one at REPEATABLE READ would not see the row that stood in the way.
const fingerprintOf = positional(`
SELECT fingerprint FROM makegood_outbox WHERE topic = ?1 AND id = ?2 LOCK IN SHARE MODE`);

const cancel = positional(`
UPDATE makegood_outbox SET status = ${statusNumber("canceled")}, ended_at = ${now}
 WHERE cancel_key = ?1 AND status = ${statusNumber("waiting")}`);

const claimed = `o.seq, o.topic, o.id, o.fence, o.ordering_key, o.headers, o.payload, o.fingerprint, o.starts, o.fails,
       o.executions, o.remaining, o.published_at`;
// The first ones of a topic that are due, by index outbox_due; the rest as on PostgreSQL.
const claim = (status: number) =>
  positional(`
SELECT ${claimed}
  FROM makegood_outbox AS o FORCE INDEX (outbox_due)
 WHERE o.topic = ?1 AND o.status = ${status} AND o.due_at <= ${now}
   AND (o.ordering_key IS NULL OR NOT EXISTS (
         SELECT 1 FROM makegood_outbox AS earlier FORCE INDEX (outbox_key)
          WHERE earlier.topic = o.topic AND earlier.ordering_key = o.ordering_key AND earlier.seq < o.seq
            AND earlier.status < 5
            AND NOT (earlier.status = 0 AND earlier.not_before IS NOT NULL AND earlier.not_before > ${now})))
   AND (o.remaining IS NULL
        OR JSON_OVERLAPS(o.remaining, ?2)
        OR NOT EXISTS (SELECT 1 FROM makegood_outbox_subscriber AS s
                        WHERE s.topic = o.topic AND s.seen_at > ${now} - ?4
                          AND JSON_CONTAINS(o.remaining, JSON_QUOTE(CONVERT(s.subscriber USING utf8mb4)))))
 ORDER BY o.due_at, o.seq
 LIMIT ?3
   FOR UPDATE SKIP LOCKED`);
const claimOf = { fresh: claim(statusNumber("waiting")), suspect: claim(statusNumber("claimed")) } as const;

const seqTable = `JSON_TABLE(?1, '$[*]' COLUMNS (seq BIGINT PATH '$')) AS j`;
const take = positional(`
UPDATE ${seqTable} STRAIGHT_JOIN makegood_outbox AS o ON o.seq = j.seq
   SET o.status = 1, o.fence = o.fence + 1, o.starts = o.starts + 1, o.due_at = ${now} + ?2`);

const watch = positional(`
SELECT o.seq, o.topic, o.id, o.fence, o.ordering_key, o.executions, o.status, o.fingerprint
  FROM makegood_outbox AS o FORCE INDEX (outbox_due)
 WHERE o.topic = ?1 AND o.status IN (2, 3) AND o.due_at <= ${now}
 ORDER BY o.due_at, o.seq
 LIMIT ?2
   FOR UPDATE SKIP LOCKED`);
const postpone = positional(`
UPDATE ${seqTable} STRAIGHT_JOIN makegood_outbox AS o ON o.seq = j.seq SET o.due_at = ${now} + ?2`);

// Served by the primary key. A report of an older claim names an older fence, and matches nothing.
const reported = `JSON_TABLE(?1, '$[*]' COLUMNS (
         seq BIGINT PATH '$.seq', fence INT PATH '$.fence', held VARCHAR(10) PATH '$.held', status TINYINT PATH '$.status',
         delay_ms BIGINT PATH '$.delayMs', fails INT PATH '$.fails', executions MEDIUMTEXT PATH '$.executions',
         remaining MEDIUMTEXT PATH '$.remaining', error MEDIUMTEXT PATH '$.error')) AS n
 STRAIGHT_JOIN makegood_outbox AS o ON o.seq = n.seq`;
const isHeld = `o.fence = n.fence AND IF(n.held = 'claimed', o.status = 1, o.status IN (2, 3))`;
const report = positional(`
UPDATE ${reported}
   SET o.due_at = ${now} + n.delay_ms, o.starts = 0, o.fails = n.fails, o.error = n.error,
       o.executions = COALESCE(n.executions, o.executions), o.remaining = COALESCE(n.remaining, o.remaining),
       o.ended_at = IF(n.status > 4, ${now}, NULL), o.status = n.status
 WHERE ${isHeld}`);
const remove = positional(`DELETE o FROM ${reported} WHERE ${isHeld}`);

const subscribe = (count: number): string => `
INSERT INTO makegood_outbox_subscriber (topic, subscriber) VALUES ${Array(count).fill("(?, ?)").join(", ")}
ON DUPLICATE KEY UPDATE seen_at = ${now}`;
const unsubscribe = positional(`DELETE FROM makegood_outbox_subscriber WHERE topic = ?1 AND subscriber = ?2`);
const subscriptions = (count: number): string => `
SELECT topic, subscriber FROM makegood_outbox_subscriber
 WHERE topic IN (${Array(count).fill("?").join(", ")}) AND seen_at > ${now} - ?`;

const prune = positional(`DELETE FROM makegood_outbox WHERE ended_at < ${now} - ?1 ORDER BY ended_at LIMIT ?2`);

const unserved = positional(`
SELECT topic, remaining, COUNT(*) AS count
  FROM (SELECT o.topic, o.remaining
          FROM makegood_outbox AS o
         WHERE o.status = 0 AND o.due_at <= ${now} - ?1
           AND NOT EXISTS (SELECT 1 FROM makegood_outbox_subscriber AS s
                            WHERE s.topic = o.topic AND s.seen_at > ${now} - ?1 * 3
                              AND (o.remaining IS NULL
                                   OR JSON_CONTAINS(o.remaining, JSON_QUOTE(CONVERT(s.subscriber USING utf8mb4)))))
         LIMIT 10000) AS forgotten
 GROUP BY topic, remaining
 LIMIT 20`);

const shown = "topic, id, status, ordering_key, error, executions, published_at";
// Without partial indexes a scan, for people who look.
const stuck = positional(`SELECT ${shown} FROM makegood_outbox WHERE status IN (3, 4) ORDER BY seq LIMIT ?1`);
const lockStuck = positional(`
SELECT ${shown} FROM makegood_outbox WHERE topic = ?1 AND id = ?2 AND status IN (3, 4) FOR UPDATE`);
const audited = `audit = CONCAT_WS('\\n', audit, ?3)`;
const skip = positional(`
UPDATE makegood_outbox SET status = ${statusNumber("skipped")}, ended_at = ${now}, ${audited}
 WHERE topic = ?1 AND id = ?2 AND status IN (3, 4)`);
const retry = positional(`
UPDATE makegood_outbox
   SET status = IF(status = 4, 0, status), due_at = ${now}, starts = 0, fails = 0, ${audited}
 WHERE topic = ?1 AND id = ?2 AND status IN (3, 4)`);

export const outboxMysql: OutboxSql = {
  *insert({ topic, id, orderingKey, cancelKey, headers, payload, fingerprint, delayMs }) {
    const headerText = Object.keys(headers).length === 0 ? null : JSON.stringify(headers);
    const keys = [bytesOf(topic), bytesOf(id), bytesOrNull(orderingKey), bytesOrNull(cancelKey)];
    return affectedOf(yield insert(...keys, headerText, payload, fingerprint, delayMs)).affectedRows === 1;
  },
  *fingerprintOf({ topic, id }) {
    const [row] = yield fingerprintOf(bytesOf(topic), bytesOf(id));
    return row === undefined ? undefined : (row["fingerprint"] as string | null);
  },
  *cancel(cancelKey) {
    return affectedOf(yield cancel(bytesOf(cancelKey))).affectedRows;
  },
  *claim({ topics, subscribers, kind, limit, limitPerTopic, leaseMs }, memoryMs) {
    const found: Row[] = [];
    for (const topic of topics) {
      const room = Math.min(limitPerTopic, limit - found.length);
      if (room === 0) break;
      found.push(...(yield claimOf[kind](bytesOf(topic), JSON.stringify(subscribers), room, memoryMs)));
    }
    if (found.length > 0) yield take(seqsOf(found), leaseMs);
    return found.map(parseClaimed).map(asTaken);
  },
  *watch({ topics, limit, everyMs }): Script<readonly WatchedMessage[]> {
    const found: Row[] = [];
    for (const topic of topics) found.push(...(yield watch(bytesOf(topic), limit)));
    if (found.length > 0) yield postpone(seqsOf(found), everyMs);
    return found.map(parseWatched);
  },
  *report(rows) {
    yield report(JSON.stringify(rows));
  },
  *remove(rows) {
    yield remove(JSON.stringify(rows));
  },
  *subscribe(added) {
    const parameters = added.flatMap(({ topic, subscriber }) => [bytesOf(topic), bytesOf(subscriber)]);
    yield { sql: subscribe(added.length), parameters };
  },
  *unsubscribe({ topic, subscriber }) {
    return affectedOf(yield unsubscribe(bytesOf(topic), bytesOf(subscriber))).affectedRows === 1;
  },
  *subscriptions(topics, memoryMs) {
    const parameters = [...topics.map(bytesOf), memoryMs];
    return (yield { sql: subscriptions(topics.length), parameters }).map(parseSubscription);
  },
  *prune(keepMs, limit) {
    return affectedOf(yield prune(keepMs, limit)).affectedRows;
  },
  *unserved(olderThanMs) {
    return (yield unserved(olderThanMs)).map(parseUnserved);
  },
  *stuck(limit) {
    return (yield stuck(limit)).map(parseStuck);
  },
  *lockStuck({ topic, id }) {
    const [row] = yield lockStuck(bytesOf(topic), bytesOf(id));
    return row === undefined ? null : parseStuck(row);
  },
  *decide({ topic, id }, verb, audit) {
    yield (verb === "skip" ? skip : retry)(bytesOf(topic), bytesOf(id), audit);
  },
};

const seqsOf = (rows: readonly Row[]): string => JSON.stringify(rows.map((row) => String(row["seq"])));

/** Read before it was written. */
const asTaken = (message: ClaimedMessage): ClaimedMessage => ({
  ...message,
  fence: message.fence + 1,
  starts: message.starts + 1,
});
