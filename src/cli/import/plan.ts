// What becomes of an XXL-JOB database here: a decision over its rows, so that it can be shown before anything is done.
import { checkScript } from "../../core/schedule/call-script.ts";
import {
  type CallOptions,
  type CallScript,
  CodedError,
  type CompletedTrigger,
  onCompleted,
  type ScriptType,
  type TimeTrigger,
} from "../../index.ts";
import { callOf, listOf, scheduleNameOf, triggerOf, type XxlJob } from "../../protocol/xxl-job/jobs.ts";

/** A row of a table, of whatever version: columns come and go between 2.3 and 3.5. */
export type SourceRow = Readonly<Record<string, unknown>>;

export interface PlannedGroup {
  readonly name: string;
  /** Of executors that a person named; those that register need no entry. */
  readonly addresses: readonly string[];
}

export interface PlannedSchedule {
  /** XXL-JOB's number of the job, which its executors go on being told. */
  readonly sourceId: number;
  readonly name: string;
  readonly title: string;
  readonly call: CallOptions;
  readonly on: TimeTrigger<void> | CompletedTrigger<void>;
  /** As the admin shows it: `0 0 3 * * ?`, `every 30 s`, `after job 2`. */
  readonly fires: string;
  readonly paused: boolean;
}

export interface Plan {
  readonly groups: readonly PlannedGroup[];
  readonly schedules: readonly PlannedSchedule[];
  /** What is not taken over, or only in part, and why. */
  readonly remarks: readonly Remark[];
}

export interface Remark {
  /** A job's number, or null for a group. */
  readonly sourceId: number | null;
  readonly title: string;
  readonly remark: string;
  /** False: the schedule is made all the same. */
  readonly isLeftOut: boolean;
}

export interface ImportOptions {
  /** Of the admin's JVM, in which its cron expressions are meant. */
  readonly zone: string;
  /** Whether jobs that are scripts are taken over. */
  readonly scripts: boolean;
}

export function planImport(
  groups: readonly SourceRow[],
  jobs: readonly SourceRow[],
  { zone, scripts }: ImportOptions,
): Plan {
  const remarks: Remark[] = [];
  const names = new Map(groups.map((row) => [number(row, "id"), text(row, "app_name")]));
  const planned = groups.map((row) => ({
    name: text(row, "app_name"),
    addresses: number(row, "address_type") === 1 ? listOf(text(row, "address_list")) : [],
  }));
  const note = (row: SourceRow, remark: string, isLeftOut: boolean): void =>
    void remarks.push({ sourceId: number(row, "id"), title: titleOf(row), remark, isLeftOut });
  const taken = new Map<number, Taken>();
  for (const row of jobs) {
    const missing = whyLeftOut(row, names, scripts);
    try {
      if (missing === null) taken.set(number(row, "id"), takeOver(row, names, zone));
      else note(row, missing, true);
    } catch (error) {
      if (!(error instanceof CodedError)) throw error;
      note(row, `its schedule is not understood: ${error.message}`, true);
    }
  }
  const children = childrenOf(taken, note);
  for (const { row } of taken.values()) {
    const mail = text(row, "alarm_email").trim();
    if (mail !== "") note(row, `its alarm e-mail (${mail}) has no counterpart yet`, false);
  }
  const isChild = (row: SourceRow): boolean => children.some(({ sourceId }) => sourceId === number(row, "id"));
  const times = [...taken.values()].flatMap(({ row, timed }) => (isNone(row) && isChild(row) ? [] : [timed]));
  return { groups: planned, schedules: [...times, ...children], remarks };
}

/** A job that can be taken over. */
interface Taken {
  readonly row: SourceRow;
  readonly call: CallOptions;
  /** Of a job that nothing fires, one that never does: for starts by hand. */
  readonly timed: PlannedSchedule;
}

function takeOver(row: SourceRow, names: ReadonlyMap<number, string>, zone: string): Taken {
  const [sourceId, title] = [number(row, "id"), titleOf(row)];
  const job = jobOf(row);
  const call = { group: names.get(number(row, "job_group")) ?? "", ...callOf(job, sourceId) };
  const about = { sourceId, title, call, name: scheduleNameOf(sourceId), fires: firesOf(job) };
  const [on, paused] = [triggerOf(job, { zone }), number(row, "trigger_status") !== 1];
  return { row, call, timed: { ...about, on, paused } };
}

/**
 * A child is started by each success of its parents, whether it is stopped or not. One that has times of its own gets a second
 * schedule. In an order in which each finds those that it follows; what would follow itself is left out.
 */
function childrenOf(
  taken: ReadonlyMap<number, Taken>,
  note: (row: SourceRow, remark: string, isLeftOut: boolean) => void,
): readonly PlannedSchedule[] {
  const parents = new Map<number, number[]>();
  for (const [id, { row }] of taken)
    for (const child of listOf(text(row, "child_jobid")).map(Number))
      if (taken.has(child)) parents.set(child, [...(parents.get(child) ?? []), id]);
      else note(row, `its child job ${child} is left out or unknown, so nothing starts it`, false);
  const made: PlannedSchedule[] = [];
  let waiting = [...parents.keys()];
  while (waiting.length > 0) {
    const ready = waiting.filter((id) => !(parents.get(id) ?? []).some((parent) => waiting.includes(parent)));
    if (ready.length === 0) break;
    for (const id of ready) made.push(childOf(id, parents.get(id) ?? [], taken, made));
    waiting = waiting.filter((id) => !ready.includes(id));
  }
  for (const id of waiting) {
    const row = taken.get(id)?.row;
    if (row !== undefined)
      note(row, "it, or what it follows, would follow itself by way of child jobs: it is not made a child", false);
  }
  return made;
}

function childOf(
  sourceId: number,
  parents: readonly number[],
  taken: ReadonlyMap<number, Taken>,
  before: readonly PlannedSchedule[],
): PlannedSchedule {
  const { row, call } = taken.get(sourceId) as Taken;
  const followed = parents.flatMap((parent) => [
    ...(before.some(({ name }) => name === scheduleNameOf(parent)) ? [] : [scheduleNameOf(parent)]),
    ...before.filter((it) => it.sourceId === parent).map(({ name }) => name),
  ]);
  return {
    ...{ sourceId, call, title: titleOf(row), paused: false },
    name: isNone(row) ? scheduleNameOf(sourceId) : `${scheduleNameOf(sourceId)}-child`,
    on: onCompleted(followed),
    fires: `after job ${parents.join(", ")}`,
  };
}

function whyLeftOut(row: SourceRow, names: ReadonlyMap<number, string>, scripts: boolean): string | null {
  const glueType = text(row, "glue_type");
  if (glueType !== "BEAN" && !scripts) return `it is a script (${glueType}), which only --scripts takes over`;
  const fault = glueType === "BEAN" ? null : faultOfScript(row);
  if (fault !== null) return fault;
  if (glueType === "BEAN" && text(row, "executor_handler").trim() === "") return "it names no handler";
  if (!names.has(number(row, "job_group"))) return `its group ${number(row, "job_group")} is gone`;
  const kind = text(row, "schedule_type");
  return ["CRON", "FIX_RATE", "NONE"].includes(kind) ? null : `its kind of schedule, ${kind}, is not known`;
}

function faultOfScript(row: SourceRow): string | null {
  try {
    checkScript(scriptOf(row));
    return null;
  } catch (error) {
    if (!(error instanceof CodedError)) throw error;
    return `its script cannot be taken over: ${error.message}`;
  }
}

/** Its type may be any word: it is checked before anything is made of it. */
const scriptOf = (row: SourceRow): CallScript => ({
  type: text(row, "glue_type") as ScriptType,
  source: text(row, "glue_source"),
});

const jobOf = (row: SourceRow): XxlJob => ({
  scheduleType: text(row, "schedule_type"),
  scheduleConf: text(row, "schedule_conf"),
  misfireStrategy: text(row, "misfire_strategy"),
  handler: text(row, "executor_handler"),
  ...(text(row, "glue_type") === "BEAN" ? {} : { script: scriptOf(row) }),
  param: text(row, "executor_param"),
  route: text(row, "executor_route_strategy"),
  block: text(row, "executor_block_strategy"),
  timeoutSeconds: number(row, "executor_timeout"),
  retries: number(row, "executor_fail_retry_count"),
});

const firesOf = ({ scheduleType, scheduleConf }: XxlJob): string =>
  scheduleType === "CRON" ? scheduleConf : scheduleType === "NONE" ? "by hand alone" : `every ${scheduleConf} s`;

const isNone = (row: SourceRow): boolean => text(row, "schedule_type") === "NONE";

const titleOf = (row: SourceRow): string => text(row, "job_desc") || text(row, "name") || "without a title";

function text(row: SourceRow, column: string): string {
  const value = row[column];
  if (value instanceof Uint8Array) return new TextDecoder().decode(value);
  return value === null || value === undefined ? "" : String(value);
}

function number(row: SourceRow, column: string): number {
  const value = Number(row[column] ?? 0);
  return Number.isSafeInteger(value) ? value : 0;
}
