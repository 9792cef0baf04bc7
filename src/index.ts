export { type ChecklistOptions, checklist } from "./checklist/checklist.ts";
export type {
  ChecklistReport,
  CheckStatus,
  Finding,
  FindingCode,
  JobReport,
  PointReport,
  Severity,
} from "./checklist/report.ts";
export { fromHeaders, type HeaderSource } from "./core/call-identity.ts";
export type { Stored } from "./core/codec.ts";
export { job, signal } from "./core/define.ts";
export type { Duration } from "./core/duration.ts";
export type { ValueCodec } from "./core/envelope.ts";
export {
  CodedError,
  type ErrorCode,
  errorCatalog,
  NonRetryableError,
  RefusedError,
  type StoredError,
  StoredFailure,
} from "./core/errors.ts";
export { type ShownState, type Status, shownStates, statuses } from "./core/execution.ts";
export type {
  AnyJob,
  CheckPoint,
  Child,
  Concurrency,
  ConsistencyLevel,
  Context,
  Declarations,
  Effect,
  Execution,
  Handler,
  Job,
  JobOptions,
  Outcome,
  RemoteStep,
  Signal,
  StepInfo,
  StepName,
  SyncTccTxBranch,
  SyncTxStep,
  TccBranch,
  TccTxBranch,
  TxStep,
  UndoInfo,
} from "./core/job.ts";
export type { Limits } from "./core/limits.ts";
export type { HeldLock, LockOptions, LockOutcome } from "./core/lock.ts";
export type {
  Checked,
  Columns,
  EventOf,
  Guard,
  StateOf,
  States,
  StateWork,
  Transition,
} from "./core/machine/spec.ts";
export { fromXState, type ImportedMachine, type XStateConfig } from "./core/machine/xstate.ts";
export {
  type Message,
  type MessageTrigger,
  type OnMessageOptions,
  onMessage,
  type PublishOptions,
  type Topic,
  topic,
} from "./core/message.ts";
export type {
  AffectedRow,
  BarrierOutcome,
  OnceRequest,
  Participant,
  TxAdapter,
} from "./core/participant.ts";
export type { Actor, Clock, Log, Random } from "./core/ports.ts";
export type { ReconcileOptions, RowsWanted } from "./core/reconcile.ts";
export type { Backoff, RetryDecision, RetryPolicy } from "./core/retry.ts";
export type { CallScript, ScriptType } from "./core/schedule/call-script.ts";
export {
  type CompletedTrigger,
  type Ended,
  onAllCompleted,
  onAnyCompleted,
  onCompleted,
} from "./core/schedule/completed.ts";
export type { Join, Upstream } from "./core/schedule/schedule.ts";
export { at, cron, every, type Fire, type TimeTrigger } from "./core/schedule/trigger.ts";
export type { Schema } from "./core/schema.ts";
export type { ExecutionRow, Store } from "./core/store.ts";
export type { Trigger } from "./core/trigger.ts";
export type { App } from "./engine/app.ts";
export type { CommandOptions, SignalOptions, StepVerdict, Verdict } from "./engine/commands.ts";
export { type MapReduceOptions, mapReduce, type PartOf } from "./engine/map-reduce.ts";
export type { MessageAddress, Messages, ShownMessage } from "./engine/messages.ts";
export type { History, ListRequest, ShownIncident, ShownRow } from "./engine/reader.ts";
export { reconcile, type ScanResult } from "./engine/reconcile/reconcile.ts";
export type { CallOptions } from "./engine/remote-call.ts";
export type {
  AddOptions,
  Backfilled,
  EditOptions,
  ListSchedules,
  RunOnceOptions,
  ScheduleState,
  ShownSchedule,
} from "./engine/schedules.ts";
export type { LogLine, LogRequest, ShownExecution } from "./engine/shown-executions.ts";
export type { IfExists, StartOptions } from "./engine/starter.ts";
export { type AppOptions, makegood } from "./makegood.ts";
export { pruneBarrier } from "./participant/barrier/prune.ts";
export { pruneLocks } from "./participant/lock/lock.ts";
export { stateMachine } from "./participant/machine/machine.ts";
export type {
  HistoryEntry,
  Machine,
  MachineOptions,
  MachineRow,
  MigrateOptions,
  MoveOptions,
  MoveRefused,
  MoveResult,
  PruneHistoryOptions,
  TableCheck,
} from "./participant/machine/types.ts";
export { participant } from "./participant/participant.ts";
export {
  type Idempotent,
  type IdempotentOptions,
  type IdempotentOutcome,
  type IdempotentRun,
  idempotent,
} from "./participant/record/idempotent.ts";
export type { Markers } from "./participant/record/markers.ts";
export { type PruneRecordsOptions, pruneRecords } from "./participant/record/prune.ts";
export { type RecordVerdict, type SettleOptions, settleRecord } from "./participant/record/settle.ts";
