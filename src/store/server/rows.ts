// What the rows of a server's tables say. The stores name the columns of what they read alike; how a value is read, each tells.
import type { Phase, Reason, Status } from "../../core/execution.ts";
import type { ExecutorRow, ProtocolGeneration, RunRow, RunState } from "../../core/executors.ts";
import type { AttemptRow, JournalRow, Role, StepKind } from "../../core/journal.ts";
import type { Actor } from "../../core/ports.ts";
import type { Row } from "../../core/script.ts";
import type { AuditRow, ExecutionRow, IncidentRow, Loaded, ReadStore, StoredSignal } from "../../core/store.ts";
import type { Guard } from "./fence.ts";

/** Each throws INVARIANT for what is no such value. */
export interface Values {
  id(found: unknown): string;
  idOrNull(found: unknown): string | null;
  int(found: unknown): number;
  intOrNull(found: unknown): number | null;
  text<T extends string = string>(found: unknown): T;
  textOrNull<T extends string = string>(found: unknown): T | null;
  bytesOrNull(found: unknown): Uint8Array | null;
}

export type TokenedRow = JournalRow & { readonly token: number };

type Outcome = Awaited<ReturnType<ReadStore["outcomes"]>> extends ReadonlyMap<string, infer T> ? T : never;

export interface RowReaders {
  guard(row: Row): Guard;
  execution(row: Row): ExecutionRow;
  outcome(row: Row): Outcome;
  audit(row: Row): AuditRow;
  incident(row: Row): IncidentRow;
  executor(row: Row): ExecutorRow;
  run(row: Row): RunRow;
  /**
   * Of rows of four kinds: guard (a cancel, i inbox), journal (a step, b role, c kind, d state, i seq, k started, l attempt),
   * attempt (a step, b role, i attempt, k next_at, l is_unknown), signal (a signal_id, b name, c taken_by, i seq).
   */
  loaded(rows: readonly Row[]): Map<string, Loaded>;
}

export function rowReaders(values: Values): RowReaders {
  const { id, idOrNull, int, intOrNull, text, textOrNull, bytesOrNull } = values;

  const journalOf = (row: Row): TokenedRow => ({
    step: text(row.a),
    role: text<Role>(row.b),
    kind: text<StepKind>(row.c),
    seq: int(row.i),
    started: int(row.k),
    attempt: int(row.l),
    state: text<JournalRow["state"]>(row.d),
    body: bytesOrNull(row.body),
    at: int(row.at),
    actor: textOrNull(row.actor),
    token: int(row.token),
  });
  const attemptOf = (row: Row): AttemptRow => ({
    step: text(row.a),
    role: text<Role>(row.b),
    attempt: int(row.i),
    at: int(row.at),
    nextAt: int(row.k),
    isUnknown: int(row.l) === 1,
    error: bytesOrNull(row.body),
  });
  const signalOf = (row: Row): StoredSignal => ({
    signalId: text(row.a),
    name: text(row.b),
    payload: bytesOrNull(row.body),
    at: int(row.at),
    takenBy: textOrNull(row.c),
  });
  const take = (loading: Loading, row: Row): void => {
    const kind = text(row.kind);
    if (kind === "guard") loading.guard = { inbox: int(row.i), cancel: textOrNull<Reason>(row.a) };
    else if (kind === "journal") loading.journal.push(journalOf(row));
    else if (kind === "attempt") loading.attempts.push(attemptOf(row));
    else loading.signals.push({ seq: int(row.i), signal: signalOf(row) });
  };

  return {
    guard(row) {
      const cancel = textOrNull<Reason>(row.cancel);
      return {
        token: int(row.token),
        status: text<Status>(row.status),
        phase: text<Phase>(row.phase),
        cancel,
        isCanceled: cancel !== null,
        inbox: int(row.inbox),
      };
    },
    execution: (row) => ({
      id: id(row.id),
      namespace: text(row.namespace),
      job: text(row.job),
      version: int(row.version),
      key: textOrNull(row.key),
      round: int(row.round),
      status: text<Status>(row.status),
      phase: text<Phase>(row.phase),
      reason: textOrNull<Reason>(row.reason),
      cancel: textOrNull<Reason>(row.cancel),
      token: int(row.token),
      worker: idOrNull(row.worker),
      priority: int(row.priority),
      group: textOrNull(row.group),
      concurrencyKey: textOrNull(row.concurrency_key),
      wakeAt: intOrNull(row.wake_at),
      createdAt: int(row.created_at),
      endedAt: intOrNull(row.ended_at),
      deadlineAt: intOrNull(row.deadline_at),
      parent: idOrNull(row.parent),
      root: id(row.root),
      traceContext: textOrNull(row.trace_context),
      schedule: idOrNull(row.schedule),
      scheduledAt: intOrNull(row.scheduled_at),
      undoneCount: int(row.undone_count),
      progress: row.fraction === null ? null : { fraction: fractionOf(row.fraction), note: textOrNull(row.note) },
    }),
    outcome: (row) => ({
      status: text<Status>(row.status),
      phase: text<Phase>(row.phase),
      reason: textOrNull<Reason>(row.reason),
      undoneCount: int(row.undone_count),
      result: bytesOrNull(row.result),
      error: bytesOrNull(row.error),
      incidentId: idOrNull(row.incident_id),
    }),
    audit: (row) => ({
      executionId: id(row.execution_id),
      verb: text(row.verb),
      actor: { kind: text<Actor["kind"]>(row.actor_kind), id: text(row.actor_id) },
      note: textOrNull(row.note),
      at: int(row.at),
    }),
    incident: (row) => ({
      id: id(row.id),
      executionId: id(row.execution_id),
      code: text(row.code),
      step: textOrNull(row.step),
      error: bytesOrNull(row.error),
      openedAt: int(row.opened_at),
      closedAt: intOrNull(row.closed_at),
    }),
    executor: (row) => ({
      group: text(row.group),
      address: text(row.address),
      source: text<ExecutorRow["source"]>(row.source),
      generation: intOrNull(row.generation) as ProtocolGeneration | null,
      seenAt: int(row.seen_at),
      isLive: int(row.is_live) === 1,
    }),
    run: (row) => ({
      logId: int(row.log_id),
      namespace: text(row.namespace),
      executionId: id(row.execution_id),
      attempt: int(row.attempt),
      shardIndex: int(row.shard_index),
      shardTotal: int(row.shard_total),
      group: text(row.group),
      handler: text(row.handler),
      jobId: int(row.job_id),
      address: text(row.address),
      state: text<RunState>(row.state),
      openedAt: int(row.opened_at),
      acceptedAt: intOrNull(row.accepted_at),
      endedAt: intOrNull(row.ended_at),
      checkedAt: int(row.checked_at),
      code: intOrNull(row.code),
      message: textOrNull(row.message),
      logLines: int(row.log_lines),
    }),
    loaded(rows) {
      const loading = new Map<string, Loading>();
      for (const row of rows) {
        const of = id(row.id);
        const found = loading.get(of) ?? { journal: [], attempts: [], signals: [], guard: undefined };
        loading.set(of, found);
        take(found, row);
      }
      const loaded = new Map<string, Loaded>();
      for (const [of, { guard, journal, attempts, signals }] of loading) {
        if (guard === undefined) continue;
        journal.sort((a, b) => a.seq - b.seq);
        attempts.sort((a, b) => a.at - b.at || a.attempt - b.attempt);
        signals.sort((a, b) => a.seq - b.seq);
        loaded.set(of, { ...guard, journal, attempts, signals: signals.map(({ signal }) => signal) });
      }
      return loaded;
    },
  };

  function fractionOf(found: unknown): number {
    return Number(found instanceof Uint8Array ? text(found) : found);
  }
}

interface Loading {
  readonly journal: TokenedRow[];
  readonly attempts: AttemptRow[];
  readonly signals: { readonly seq: number; readonly signal: StoredSignal }[];
  guard: { readonly inbox: number; readonly cancel: Reason | null } | undefined;
}
