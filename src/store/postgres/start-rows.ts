// The rows of plain starts, many in one statement: for the flush, and for the fires of schedules.
import type { NewExecution } from "../../core/store.ts";
import { actorName } from "./cancel.ts";
import type { Column } from "./columns.ts";

/** Which parts the starts need. `owners`: some want to be born running; `schedules`: some are fires. */
export interface StartShape {
  readonly keys: boolean;
  readonly owners: boolean;
  readonly attributes: boolean;
  readonly schedules: boolean;
}

export const shapeOfStarts = (starts: readonly NewExecution[]): StartShape => ({
  keys: starts.some((start) => start.key !== null),
  owners: starts.some((start) => ownerOf(start) !== null),
  attributes: starts.some((start) => Object.keys(start.attributes).length > 0),
  schedules: starts.some((start) => start.scheduled !== undefined),
});

export const ownerOf = (start: NewExecution): string | null => (start.delayMs > 0 ? null : start.claimFor);

const startColumns: readonly Column<NewExecution>[] = [
  ["id", "uuid", (start) => start.id],
  ["namespace", "text", (start) => start.namespace, "mostly-alike"],
  ["job", "text", (start) => start.job, "mostly-alike"],
  ["version", "integer", (start) => start.version, "mostly-alike"],
  ["priority", "integer", (start) => start.priority, "mostly-alike"],
  ['"group"', "text", (start) => start.group, "mostly-alike"],
  ["delay_ms", "bigint", (start) => start.delayMs, "mostly-alike"],
  ["timeout_ms", "bigint", (start) => start.timeoutMs, "mostly-alike"],
  ["retain_ms", "bigint", (start) => start.retainMs, "mostly-alike"],
  ["parent", "uuid", (start) => start.parent, "mostly-alike"],
  ["root", "uuid", (start) => (start.root === start.id ? null : start.root), "mostly-alike"],
  ["trace_context", "text", (start) => start.traceContext, "mostly-alike"],
  ["actor", "text", (start) => actorName(start.actor), "mostly-alike"],
  ["input", "bytea", (start) => start.input],
];
const keyColumns: readonly Column<NewExecution>[] = [
  ["key", "text", (start) => start.key],
  ["fingerprint", "text", (start) => start.fingerprint],
  ["key_retain_ms", "bigint", (start) => start.keyRetainMs, "mostly-alike"],
];
const ownerColumns: readonly Column<NewExecution>[] = [["worker", "uuid", (start) => ownerOf(start), "mostly-alike"]];
const scheduleColumns: readonly Column<NewExecution>[] = [
  ["schedule", "uuid", (start) => start.scheduled?.schedule ?? null],
  ["scheduled_at", "bigint", (start) => start.scheduled?.at ?? null],
];

export const startColumnsOf = ({ keys, owners, schedules }: StartShape): readonly Column<NewExecution>[] => [
  ...startColumns,
  ...(keys ? keyColumns : []),
  ...(owners ? ownerColumns : []),
  ...(schedules ? scheduleColumns : []),
];

interface Attribute {
  readonly start: NewExecution;
  readonly name: string;
  readonly value: string;
}
export const attributeColumns: readonly Column<Attribute>[] = [
  ["execution_id", "uuid", ({ start }) => start.id],
  ["namespace", "text", ({ start }) => start.namespace],
  ["name", "text", ({ name }) => name],
  ["value", "text", ({ value }) => value],
];
export const attributesOf = (start: NewExecution): readonly Attribute[] =>
  Object.entries(start.attributes).map(([name, value]) => ({ start, name, value }));

// ── Parts of a statement that has `clock` and `start` ──────────────────────────────────────────────────────────────

/** In order of key, so that two flushes wait for each other in one direction. */
export const keyedSql = `keyed AS (
  INSERT INTO makegood.execution_key (namespace, job, key, execution_id, fingerprint, retain_ms)
  SELECT s.namespace, s.job, s.key, s.id, s.fingerprint, s.key_retain_ms FROM start s WHERE s.key IS NOT NULL
   ORDER BY s.namespace, s.job, s.key
  ON CONFLICT (namespace, job, key) DO NOTHING
  RETURNING execution_id)`;

/** With `owners` there is a part `live` before it. */
export const startedSql = ({ keys, owners, attributes, schedules }: StartShape): string => `started AS (
  INSERT INTO makegood.execution (id, namespace, job, version, key, status, token, worker, wake_at, priority, "group", parent,
    created_at, deadline_at, retain_ms, root, trace_context, actor, input${schedules ? ", schedule, scheduled_at" : ""})
  SELECT s.id, s.namespace, s.job, s.version, ${keys ? "s.key" : "NULL"},
         CASE WHEN s.delay_ms > 0 THEN 'waiting' WHEN s.is_claimed THEN 'running' ELSE 'ready' END,
         CASE WHEN s.is_claimed THEN 1 ELSE 0 END, ${owners ? "CASE WHEN s.is_claimed THEN s.worker END" : "NULL"},
         CASE WHEN NOT s.is_claimed THEN c.now + s.delay_ms END, s.priority, s."group", s.parent,
         c.now, c.now + s.delay_ms + s.timeout_ms, s.retain_ms, s.root, s.trace_context, s.actor, s.input${schedules ? ", s.schedule, s.scheduled_at" : ""}
    FROM clock c,
         (SELECT s.*, ${owners ? "(s.worker IN (SELECT l.id FROM live l)) IS TRUE" : "false"} AS is_claimed FROM start s OFFSET 0) s
   WHERE ${keys ? "s.key IS NULL OR s.id IN (SELECT k.execution_id FROM keyed k)" : "true"}
  ${keys || attributes ? "RETURNING id" : ""})`;

export const taggedSql = (attributes: string): string => `tagged AS (
  INSERT INTO makegood.search_attribute (execution_id, namespace, name, value)
  SELECT a.execution_id, a.namespace, a.name, a.value FROM (${attributes}) a
   WHERE (a.execution_id IN (SELECT s.id FROM started s)) IS TRUE)`;
