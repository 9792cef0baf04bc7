import { statusNumber } from "../../core/outbox.ts";
import { nowMs } from "../migrations/now.ts";
import { type OutboxSql, parseClaimed, parseStuck, parseSubscription, parseUnserved, parseWatched } from "./sql.ts";

// Every parameter is cast where it stands, and lists travel as JSON: clients differ in how they announce and encode both.
// The clock is read in a sub-select, once a statement: as a bare volatile function it could bound no index scan.
const now = `(SELECT ${nowMs.postgres})`;

const insert = `
INSERT INTO makegood.outbox
       (topic, id, ordering_key, cancel_key, headers, payload, fingerprint, not_before, due_at, published_at)
SELECT $1::text, $2::text, $3::text, $4::text, $5::text, $6::bytea, $7::text,
       CASE WHEN $8::bigint > 0 THEN clock.now + $8::bigint END, clock.now + $8::bigint, clock.now
  FROM ${now} AS clock (now)
ON CONFLICT (topic, id) DO NOTHING
RETURNING fence`;

const fingerprintOf = `SELECT fingerprint FROM makegood.outbox WHERE topic = $1::text AND id = $2::text`;

// A claim that holds the row is waited for; if it commits, the message is no longer waiting.
const cancel = `
UPDATE makegood.outbox SET status = ${statusNumber("canceled")}, ended_at = ${now}
 WHERE cancel_key = $1::text AND status = ${statusNumber("waiting")}
RETURNING fence`;

// Of each topic the first ones that are due, by index outbox_due. What another relay is claiming is skipped. Of an ordering
// key only the first open message, by index outbox_key: one that is claimed, or waits for its retry, holds up the others;
// one that its publisher delayed does not. A message that has been delivered in part is for those who have the rest of its
// subscribers, and, when none of them is known any more, for anybody.
const claim = (status: number): string => `
WITH picked AS MATERIALIZED (
  SELECT due.seq
    FROM json_array_elements_text($1::text::json) AS mine (topic)
   CROSS JOIN LATERAL (
     SELECT o.seq
       FROM makegood.outbox AS o
      WHERE o.topic = mine.topic AND o.status = ${status} AND o.status < 4 AND o.due_at <= ${now}
        AND (o.ordering_key IS NULL OR NOT EXISTS (
              SELECT 1 FROM makegood.outbox AS earlier
               WHERE earlier.topic = o.topic AND earlier.ordering_key = o.ordering_key AND earlier.seq < o.seq
                 AND earlier.status < 5
                 AND NOT (earlier.status = 0 AND earlier.not_before IS NOT NULL AND earlier.not_before > ${now})))
        AND (o.remaining IS NULL
             OR EXISTS (SELECT 1 FROM json_array_elements_text(o.remaining::json) AS rest (name)
                         WHERE rest.name IN (SELECT json_array_elements_text($2::text::json)))
             OR NOT EXISTS (SELECT 1 FROM json_array_elements_text(o.remaining::json) AS rest (name)
                              JOIN makegood.outbox_subscriber AS s ON s.topic = o.topic AND s.subscriber = rest.name
                             WHERE s.seen_at > ${now} - $5::bigint))
      ORDER BY o.due_at, o.seq
      LIMIT $3::integer
        FOR UPDATE SKIP LOCKED) AS due
   LIMIT $6::integer
)
UPDATE makegood.outbox AS o
   SET status = 1, fence = o.fence + 1, starts = o.starts + 1, due_at = ${now} + $4::bigint
  FROM picked
 WHERE o.seq = picked.seq
RETURNING o.seq::text AS seq, o.topic, o.id, o.fence, o.ordering_key, o.headers, o.payload, o.fingerprint, o.starts, o.fails,
          o.executions, o.remaining, o.published_at::text AS published_at`;
const claimOf = { fresh: claim(statusNumber("waiting")), suspect: claim(statusNumber("claimed")) } as const;

const watch = `
WITH picked AS MATERIALIZED (
  SELECT due.seq
    FROM json_array_elements_text($1::text::json) AS mine (topic)
   CROSS JOIN (VALUES (2), (3)) AS running (status)
   CROSS JOIN LATERAL (
     SELECT o.seq FROM makegood.outbox AS o
      WHERE o.topic = mine.topic AND o.status = running.status AND o.status < 4 AND o.due_at <= ${now}
      ORDER BY o.due_at, o.seq
      LIMIT $2::integer
        FOR UPDATE SKIP LOCKED) AS due
)
UPDATE makegood.outbox AS o
   SET due_at = ${now} + $3::bigint
  FROM picked
 WHERE o.seq = picked.seq
RETURNING o.seq::text AS seq, o.topic, o.id, o.fence, o.ordering_key, o.executions, o.status, o.fingerprint`;

// Served by the primary key. A report of an older claim names an older fence, and matches nothing.
const reported = `json_to_recordset($1::text::json) AS n
       (seq bigint, fence integer, held text, status smallint, "delayMs" bigint, executions text, remaining text, error text,
        fails integer)`;
const isHeld = `o.seq = n.seq AND o.fence = n.fence
   AND CASE n.held WHEN 'claimed' THEN o.status = 1 ELSE o.status IN (2, 3) END`;
const report = `
UPDATE makegood.outbox AS o
   SET status = n.status, due_at = clock.now + n."delayMs", starts = 0, fails = n.fails, error = n.error,
       executions = coalesce(n.executions, o.executions), remaining = coalesce(n.remaining, o.remaining),
       ended_at = CASE WHEN n.status > 4 THEN clock.now END
  FROM ${now} AS clock (now), ${reported}
 WHERE ${isHeld}`;
const remove = `DELETE FROM makegood.outbox AS o USING ${reported} WHERE ${isHeld}`;

const subscribe = `
INSERT INTO makegood.outbox_subscriber (topic, subscriber)
SELECT topic, subscriber FROM json_to_recordset($1::text::json) AS n (topic text, subscriber text) ORDER BY topic, subscriber
ON CONFLICT (topic, subscriber) DO UPDATE SET seen_at = EXCLUDED.seen_at`;
const unsubscribe = `
DELETE FROM makegood.outbox_subscriber WHERE topic = $1::text AND subscriber = $2::text RETURNING topic`;
const subscriptions = `
SELECT topic, subscriber FROM makegood.outbox_subscriber
 WHERE topic IN (SELECT json_array_elements_text($1::text::json)) AND seen_at > ${now} - $2::bigint`;

// Small batches in the order of an index, each a commit of its own.
const prune = `
DELETE FROM makegood.outbox
 WHERE seq IN (SELECT seq FROM makegood.outbox WHERE status > 4 AND ended_at < ${now} - $1::bigint
                ORDER BY ended_at LIMIT $2::integer FOR UPDATE SKIP LOCKED)
RETURNING fence`;

// Reads what waits and nobody claims, at most 10 000 rows of it.
const unserved = `
SELECT topic, remaining, count(*)::integer AS count
  FROM (SELECT o.topic, o.remaining
          FROM makegood.outbox AS o
         WHERE o.status = 0 AND o.status < 4 AND o.due_at <= ${now} - $1::bigint
           AND NOT EXISTS (SELECT 1 FROM makegood.outbox_subscriber AS s
                            WHERE s.topic = o.topic AND s.seen_at > ${now} - $1::bigint * 3
                              AND (o.remaining IS NULL
                                   OR s.subscriber IN (SELECT json_array_elements_text(o.remaining::json))))
         LIMIT 10000) AS forgotten
 GROUP BY topic, remaining
 LIMIT 20`;

const stuck = `
SELECT topic, id, status, ordering_key, error, executions, published_at::text AS published_at
  FROM makegood.outbox WHERE status IN (3, 4) ORDER BY seq LIMIT $1::integer`;
const lockStuck = `
SELECT topic, id, status, ordering_key, error, executions, published_at::text AS published_at
  FROM makegood.outbox WHERE topic = $1::text AND id = $2::text AND status IN (3, 4) FOR UPDATE`;
const audited = `audit = coalesce(audit || E'\\n', '') || $3::text`;
const skip = `
UPDATE makegood.outbox SET status = ${statusNumber("skipped")}, ended_at = ${now}, ${audited}
 WHERE topic = $1::text AND id = $2::text AND status IN (3, 4)`;
const retry = `
UPDATE makegood.outbox
   SET status = CASE WHEN status = 4 THEN 0 ELSE status END, due_at = ${now}, starts = 0, fails = 0, ${audited}
 WHERE topic = $1::text AND id = $2::text AND status IN (3, 4)`;

export const outboxPostgres: OutboxSql = {
  *insert({ topic, id, orderingKey, cancelKey, headers, payload, fingerprint, delayMs }) {
    const headerText = Object.keys(headers).length === 0 ? null : JSON.stringify(headers);
    const parameters = [topic, id, orderingKey, cancelKey, headerText, payload, fingerprint, delayMs];
    return (yield { sql: insert, parameters }).length === 1;
  },
  *fingerprintOf({ topic, id }) {
    const [row] = yield { sql: fingerprintOf, parameters: [topic, id] };
    return row === undefined ? undefined : (row["fingerprint"] as string | null);
  },
  *cancel(cancelKey) {
    return (yield { sql: cancel, parameters: [cancelKey] }).length;
  },
  *claim({ topics, subscribers, kind, limit, limitPerTopic, leaseMs }, memoryMs) {
    const parameters = [JSON.stringify(topics), JSON.stringify(subscribers), limitPerTopic, leaseMs, memoryMs, limit];
    return (yield { sql: claimOf[kind], parameters }).map(parseClaimed);
  },
  *watch({ topics, limit, everyMs }) {
    return (yield { sql: watch, parameters: [JSON.stringify(topics), limit, everyMs] }).map(parseWatched);
  },
  *report(rows) {
    yield { sql: report, parameters: [JSON.stringify(rows)] };
  },
  *remove(rows) {
    yield { sql: remove, parameters: [JSON.stringify(rows)] };
  },
  *subscribe(added) {
    yield { sql: subscribe, parameters: [JSON.stringify(added)] };
  },
  *unsubscribe({ topic, subscriber }) {
    return (yield { sql: unsubscribe, parameters: [topic, subscriber] }).length === 1;
  },
  *subscriptions(topics, memoryMs) {
    return (yield { sql: subscriptions, parameters: [JSON.stringify(topics), memoryMs] }).map(parseSubscription);
  },
  *prune(keepMs, limit) {
    return (yield { sql: prune, parameters: [keepMs, limit] }).length;
  },
  *unserved(olderThanMs) {
    return (yield { sql: unserved, parameters: [olderThanMs] }).map(parseUnserved);
  },
  *stuck(limit) {
    return (yield { sql: stuck, parameters: [limit] }).map(parseStuck);
  },
  *lockStuck({ topic, id }) {
    const [row] = yield { sql: lockStuck, parameters: [topic, id] };
    return row === undefined ? null : parseStuck(row);
  },
  *decide({ topic, id }, verb, audit) {
    yield { sql: verb === "skip" ? skip : retry, parameters: [topic, id, audit] };
  },
};
