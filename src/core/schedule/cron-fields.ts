// What stands in the fields of a cron expression, in both dialects: one table, read by the parser, its messages and the docs.

export type CronDialect = "quartz" | "unix";
export const cronDialects: readonly CronDialect[] = ["quartz", "unix"];

export type FieldKey = "seconds" | "minutes" | "hours" | "dayOfMonth" | "month" | "dayOfWeek" | "year";

export interface FieldRule {
  readonly key: FieldKey;
  /** As messages call it. */
  readonly name: string;
  readonly min: number;
  readonly max: number;
  /** The name of `min`, of `min + 1`, … */
  readonly names: readonly string[];
  readonly maxStep: number;
  /** Whether a range may go over the end, such as 22-2. */
  readonly mayWrap: boolean;
  /** Whether `5/15` is allowed, and means from 5 to the end. */
  readonly mayStepFromValue: boolean;
  /** A whole expression in which this field is worth a look. */
  readonly example: string;
}

export const firstYear = 1970;
/** No fire is looked for behind this year. */
export const lastYear = 2199;

const monthNames = ["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"];
const weekdayNames = ["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"];

const quartz = { mayWrap: true, mayStepFromValue: true };
const quartzFields: readonly FieldRule[] = [
  { key: "seconds", name: "seconds", min: 0, max: 59, names: [], maxStep: 59, example: "0/15 * * * * ?", ...quartz },
  { key: "minutes", name: "minutes", min: 0, max: 59, names: [], maxStep: 59, example: "0 0/5 * * * ?", ...quartz },
  { key: "hours", name: "hours", min: 0, max: 23, names: [], maxStep: 23, example: "0 0 8-18 * * ?", ...quartz },
  {
    ...{ key: "dayOfMonth", name: "day of month", min: 1, max: 31, names: [], maxStep: 31, example: "0 0 12 L * ?" },
    ...quartz,
  },
  {
    ...{ key: "month", name: "month", min: 1, max: 12, names: monthNames, maxStep: 12, example: "0 0 12 1 JAN,JUL ?" },
    ...quartz,
  },
  {
    ...{ key: "dayOfWeek", name: "day of week", min: 1, max: 7, names: weekdayNames, maxStep: 7 },
    ...quartz,
    example: "0 0 12 ? * MON-FRI",
  },
  {
    ...{ key: "year", name: "year", min: firstYear, max: lastYear, names: [], maxStep: lastYear - firstYear },
    ...quartz,
    mayWrap: false,
    example: "0 0 12 1 1 ? 2026-2030",
  },
];

const unix = { mayWrap: false, mayStepFromValue: false };
const unixFields: readonly FieldRule[] = [
  { key: "minutes", name: "minutes", min: 0, max: 59, names: [], maxStep: 59, example: "*/5 * * * *", ...unix },
  { key: "hours", name: "hours", min: 0, max: 23, names: [], maxStep: 23, example: "0 8-18 * * *", ...unix },
  {
    ...{ key: "dayOfMonth", name: "day of month", min: 1, max: 31, names: [], maxStep: 31, example: "0 12 1,15 * *" },
    ...unix,
  },
  {
    ...{ key: "month", name: "month", min: 1, max: 12, names: monthNames, maxStep: 12, example: "0 12 1 jan,jul *" },
    ...unix,
  },
  {
    ...{ key: "dayOfWeek", name: "day of week", min: 0, max: 7, names: weekdayNames, maxStep: 7 },
    ...unix,
    example: "0 12 * * mon-fri",
  },
];

interface DialectRule {
  readonly fields: readonly FieldRule[];
  /** With which the expression may end. */
  readonly minFields: number;
  readonly example: string;
}

export const dialectRules: Readonly<Record<CronDialect, DialectRule>> = {
  quartz: { fields: quartzFields, minFields: 6, example: "0 30 2 * * ?" },
  unix: { fields: unixFields, minFields: 5, example: "30 2 * * *" },
};

/** Of crontab(5), in its fields. There is no @reboot: a schedule does not end with a process. */
export const unixNicknames: Readonly<Record<string, string>> = {
  "@yearly": "0 0 1 1 *",
  "@annually": "0 0 1 1 *",
  "@monthly": "0 0 1 * *",
  "@weekly": "0 0 * * 0",
  "@daily": "0 0 * * *",
  "@midnight": "0 0 * * *",
  "@hourly": "0 * * * *",
};
