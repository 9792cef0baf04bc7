// What becomes of an XXL-JOB database here: a decision over its rows, so that it can be shown before anything is done.
import { type CallOptions, CodedError, cron, every, type TimeTrigger } from "../../index.ts";

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
  readonly trigger: TimeTrigger<void>;
  /** As the admin shows it: `0 0 3 * * ?`, `every 30 s`. */
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

/** `zone`: of the admin's JVM, in which its cron expressions are meant. */
export function planImport(groups: readonly SourceRow[], jobs: readonly SourceRow[], zone: string): Plan {
  const remarks: Remark[] = [];
  const names = new Map(groups.map((row) => [number(row, "id"), text(row, "app_name")]));
  const planned = groups.map((row) => ({
    name: text(row, "app_name"),
    addresses: number(row, "address_type") === 1 ? list(text(row, "address_list")) : [],
  }));
  const schedules: PlannedSchedule[] = [];
  for (const row of jobs) {
    const [sourceId, title] = [number(row, "id"), titleOf(row)];
    const note = (remark: string, isLeftOut: boolean): void =>
      void remarks.push({ sourceId, title, remark, isLeftOut });
    const missing = whyLeftOut(row, names);
    if (missing !== null) {
      note(missing, true);
      continue;
    }
    try {
      const trigger = triggerOf(row, zone);
      schedules.push({
        ...{ sourceId, title, trigger, fires: firesOf(row), name: `xxl-job-${sourceId}` },
        call: callOf(row, names.get(number(row, "job_group")) ?? ""),
        paused: number(row, "trigger_status") !== 1,
      });
    } catch (error) {
      if (!(error instanceof CodedError)) throw error;
      note(`its schedule is not understood: ${error.message}`, true);
      continue;
    }
    for (const remark of lostOf(row)) note(remark, false);
  }
  return { groups: planned, schedules, remarks };
}

function whyLeftOut(row: SourceRow, names: ReadonlyMap<number, string>): string | null {
  const glueType = text(row, "glue_type");
  if (glueType !== "BEAN") return `it is a script (${glueType}); only handlers are taken over`;
  if (text(row, "executor_handler").trim() === "") return "it names no handler";
  if (!names.has(number(row, "job_group"))) return `its group ${number(row, "job_group")} is gone`;
  const kind = text(row, "schedule_type");
  if (kind === "NONE") return "nothing fires it: start it by hand, by API, or from the job whose child it was";
  return kind === "CRON" || kind === "FIX_RATE" ? null : `its kind of schedule, ${kind}, is not known`;
}

function triggerOf(row: SourceRow, zone: string): TimeTrigger<void> {
  const conf = text(row, "schedule_conf").trim();
  const misfire = text(row, "misfire_strategy") === "FIRE_ONCE_NOW" ? "fire-once" : "skip";
  if (text(row, "schedule_type") === "CRON") return cron(conf, { zone, misfire });
  return every(Number(conf) * 1_000, { misfire });
}

const firesOf = (row: SourceRow): string =>
  text(row, "schedule_type") === "CRON" ? text(row, "schedule_conf") : `every ${text(row, "schedule_conf")} s`;

function callOf(row: SourceRow, group: string): CallOptions {
  const seconds = number(row, "executor_timeout");
  return {
    ...{ group, handler: text(row, "executor_handler"), param: text(row, "executor_param"), jobId: number(row, "id") },
    route: text(row, "executor_route_strategy"),
    block: text(row, "executor_block_strategy"),
    retries: number(row, "executor_fail_retry_count"),
    ...(seconds > 0 ? { timeout: seconds * 1_000 } : {}),
  };
}

/** What the schedule that is made does not have. */
function lostOf(row: SourceRow): readonly string[] {
  const children = text(row, "child_jobid").trim();
  const mail = text(row, "alarm_email").trim();
  return [
    ...(children === "" ? [] : [`its child jobs (${children}) are not started after it: let its handler start them`]),
    ...(mail === "" ? [] : [`its alarm e-mail (${mail}) has no counterpart yet`]),
  ];
}

const titleOf = (row: SourceRow): string => text(row, "job_desc") || text(row, "name") || "without a title";

const list = (addresses: string): readonly string[] =>
  addresses
    .split(",")
    .map((it) => it.trim())
    .filter((it) => it !== "");

function text(row: SourceRow, column: string): string {
  const value = row[column];
  if (value instanceof Uint8Array) return new TextDecoder().decode(value);
  return value === null || value === undefined ? "" : String(value);
}

function number(row: SourceRow, column: string): number {
  const value = Number(row[column] ?? 0);
  return Number.isSafeInteger(value) ? value : 0;
}
