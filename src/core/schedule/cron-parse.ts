// Reads a cron expression. What it does not understand it refuses, naming the field and the character: Quartz skips what
// stands behind a value that it understood (`MON-FRI/2`, `JANUARY`, `5x`), and runs a job at times that nobody wrote.
import { CronError, describeValue, OptionError } from "../errors.ts";
import { type Cron, fieldTable } from "./cron.ts";
import type { MonthDays, SpecialDay, WeekDays } from "./cron-days.ts";
import {
  type CronDialect,
  cronDialects,
  dialectRules,
  type FieldKey,
  type FieldRule,
  unixNicknames,
} from "./cron-fields.ts";

/** Longer texts are refused before they are looked at. */
export const maxExpressionChars = 512;
const maxLastOffset = 30;
const noSpecialDays: readonly SpecialDay[] = [];

interface Token {
  readonly text: string;
  /** In the whole expression, from 0. */
  readonly at: number;
}

/** What one field says. */
interface Named {
  readonly rule: FieldRule;
  readonly token: Token;
  /** Begins with `*`, or is `?`: then crontab(5) takes a day field as one that says nothing. */
  readonly isStar: boolean;
  readonly isUnspecified: boolean;
  readonly values: ReadonlySet<number>;
  readonly special: readonly SpecialDay[];
  readonly only: WeekDays["only"];
}

/**
 * The expression as a value. Throws CRON_INVALID with dialect, field, position (of a character, from 1), what was found there
 * and an example; OPTION_INVALID for another dialect.
 */
export function parseCron(expression: string, dialect: CronDialect = "quartz"): Cron {
  if (!cronDialects.includes(dialect))
    throw new OptionError("dialect", `dialect: expected "quartz" or "unix", found ${describeValue(dialect)}`);
  if (typeof expression !== "string" || expression.length > maxExpressionChars)
    throw new CronError({
      ...{ dialect, expression: "", field: null, position: null, found: describeValue(expression) },
      ...{ expected: `a text of at most ${maxExpressionChars} characters`, example: dialectRules[dialect].example },
    });
  const source: Source = { text: expression, dialect };
  const tokens = splitFields(source);
  const named = new Map<FieldKey, Named>();
  dialectRules[dialect].fields.forEach((rule, index) => {
    const token = tokens[index];
    if (token !== undefined) named.set(rule.key, parseField(source, rule, token));
  });
  if (dialect === "quartz") checkOneDayField(source, named);
  return assemble(source, named);
}

function assemble({ text, dialect }: Source, named: ReadonlyMap<FieldKey, Named>): Cron {
  const rising = (key: FieldKey): readonly number[] => [...(named.get(key)?.values ?? [0])].sort((a, b) => a - b);
  const year = named.get("year");
  const hours = rising("hours");
  return {
    dialect,
    expression: text.trim().replace(/[ \t]+/g, " "),
    seconds: fieldTable(rising("seconds"), 59),
    minutes: fieldTable(rising("minutes"), 59),
    hours: fieldTable(hours, 23),
    isHourly: hours.length === 24,
    days: {
      monthDays: monthDaysOf(named.get("dayOfMonth") as Named),
      weekDays: weekDaysOf(named.get("dayOfWeek") as Named, dialect),
      // crontab(5): where both are restricted, either will do; one that begins with a star only narrows the other.
      joined: named.get("dayOfMonth")?.isStar || named.get("dayOfWeek")?.isStar ? "both" : "either",
    },
    months: rising("month").reduce((mask, month) => mask | (1 << month), 0),
    years: year === undefined || year.token.text === "*" ? null : rising("year"),
  };
}

function monthDaysOf(field: Named): MonthDays | null {
  if (field.isUnspecified) return null;
  const mask = [...field.values].reduce((bits, day) => bits | (1 << (day - 1)), 0);
  return { mask, special: field.special };
}

function weekDaysOf(field: Named, dialect: CronDialect): WeekDays | null {
  if (field.isUnspecified) return null;
  const sunday = dialect === "quartz" ? 1 : 0;
  const mask = [...field.values].reduce((bits, day) => bits | (1 << ((day - sunday) % 7)), 0);
  return { mask, only: field.only };
}

// ── Fields ─────────────────────────────────────────────────────────────────────────────────────────────────────────

interface Source {
  readonly text: string;
  readonly dialect: CronDialect;
}

function splitFields(source: Source): readonly Token[] {
  const { text, dialect } = source;
  const { fields, minFields } = dialectRules[dialect];
  const tokens = [...text.matchAll(/[^ \t]+/g)].map((match) => ({ text: match[0], at: match.index }));
  const [first] = tokens;
  if (first?.text.startsWith("@")) return expandNickname(source, first, tokens.length);
  if (tokens.length >= minFields && tokens.length <= fields.length) return tokens;
  const count = minFields === fields.length ? `${minFields}` : `${minFields} or ${fields.length}`;
  const list = fields.map((field) => (fields.indexOf(field) < minFields ? field.name : `[${field.name}]`)).join(", ");
  const other = dialect === "quartz" ? "unix" : "quartz";
  const looksLikeOther = dialectRules[other].minFields === tokens.length || (other === "quartz" && tokens.length === 7);
  throw refuse(source, null, tokens[fields.length]?.at ?? null, {
    expected: `${count} fields (${list})`,
    found: tokens.length === 0 ? "none" : `${tokens.length}`,
    hint: looksLikeOther ? `It looks like the ${other} dialect: say dialect "${other}".` : undefined,
  });
}

function expandNickname(source: Source, { text, at }: Token, count: number): readonly Token[] {
  const fields = Object.hasOwn(unixNicknames, text.toLowerCase()) ? unixNicknames[text.toLowerCase()] : undefined;
  if (fields !== undefined && count === 1 && source.dialect === "unix")
    return fields.split(" ").map((field) => ({ text: field, at }));
  throw refuse(source, null, at, {
    expected: source.dialect === "unix" ? `fields, or one of ${Object.keys(unixNicknames).join(", ")}` : "fields",
    found: JSON.stringify(text),
    hint: fields !== undefined && count === 1 ? `It looks like the unix dialect: say dialect "unix".` : undefined,
  });
}

/** Quartz knows no "or" between the two fields of days: exactly one of them is `?`. */
function checkOneDayField(source: Source, named: ReadonlyMap<FieldKey, Named>): void {
  const [month, week] = [named.get("dayOfMonth") as Named, named.get("dayOfWeek") as Named];
  if (month.isUnspecified !== week.isUnspecified) return;
  throw refuse(source, week.rule, week.token.at, {
    expected: month.isUnspecified
      ? "a day of week, since day of month is ? already"
      : "? here or as day of month: one of the two fields says nothing",
    found: JSON.stringify(week.token.text),
  });
}

function parseField(source: Source, rule: FieldRule, token: Token): Named {
  const items = splitItems(token).map((item) => parseItem({ source, rule, item, list: token }));
  return {
    rule,
    token,
    isStar: token.text.startsWith("*") || token.text === "?",
    isUnspecified: token.text === "?",
    values: new Set(items.flatMap((item) => item.values)),
    special: items.flatMap((item) => item.special ?? noSpecialDays),
    only: items[0]?.only ?? "all",
  };
}

function splitItems({ text, at }: Token): readonly Token[] {
  let next = at;
  return text.split(",").map((item) => {
    const token = { text: item, at: next };
    next += item.length + 1;
    return token;
  });
}

// ── Items of a list ────────────────────────────────────────────────────────────────────────────────────────────────

interface ItemContext {
  readonly source: Source;
  readonly rule: FieldRule;
  readonly item: Token;
  /** The whole field. */
  readonly list: Token;
}

interface Item {
  readonly values: readonly number[];
  readonly special?: readonly SpecialDay[];
  readonly only?: WeekDays["only"];
}

function parseItem(context: ItemContext): Item {
  const { source, rule, item } = context;
  if (item.text === "") throw refuseAt(context, 0, `${describeRange(rule)} between the commas`, "nothing");
  if (source.dialect === "quartz" && rule.key === "dayOfMonth") {
    const special = parseSpecialDay(context);
    if (special !== undefined) return special;
  }
  if (source.dialect === "quartz" && rule.key === "dayOfWeek") {
    const special = parseSpecialWeekday(context);
    if (special !== undefined) return special;
  }
  return parseRange(context);
}

/** `?`, `L`, `L-3`, `LW`, `L-3W`, `15W`. */
function parseSpecialDay(context: ItemContext): Item | undefined {
  const { item } = context;
  if (item.text === "?") return unspecified(context);
  const [, last, offset, day, weekday] = /^(?:(L)(?:-([0-9]{1,9}))?|([0-9]{1,9})(?=W$))(W)?$/i.exec(item.text) ?? [];
  if (last === undefined && day === undefined) return undefined;
  const count = last === undefined ? checkValue(context, day as string, 0) : Number(offset ?? 0);
  if (last !== undefined && count > maxLastOffset)
    throw refuseAt(context, 2, `a number from 0 to ${maxLastOffset} behind L-`, quoteText(offset as string));
  return {
    values: [],
    special: [{ day: count, fromLast: last !== undefined, nearestWeekday: weekday !== undefined }],
  };
}

/** `?`, `L` (Saturday), `6L` or `FRIL`, `6#3` or `FRI#3`. */
function parseSpecialWeekday(context: ItemContext): Item | undefined {
  const { item, list } = context;
  if (item.text === "?") return unspecified(context);
  const [, day, last, nth] = /^([0-9]{1,9}|[a-z]{3})?(?:(L)|#(.*))$/i.exec(item.text) ?? [];
  if (last === undefined && nth === undefined) return undefined;
  if (list.text !== item.text)
    throw refuseAt(
      context,
      0,
      "L or # alone in this field (for several, make several schedules)",
      quoteText(item.text),
    );
  if (last !== undefined && day === undefined) return { values: [7] };
  const value = checkValue(context, day ?? "", 0);
  if (last !== undefined) return { values: [value], only: "last" };
  if (nth === undefined || !/^[1-5]$/.test(nth))
    throw refuseAt(context, item.text.indexOf("#") + 1, "a number from 1 to 5 behind #", quoteText(nth ?? ""));
  return { values: [value], only: Number(nth) };
}

function unspecified(context: ItemContext): Item {
  if (context.list.text === "?") return { values: [] };
  throw refuseAt(context, 0, "? alone in its field", quoteText(context.list.text));
}

/** `*`, `5`, `5-10`, each perhaps with a step. */
function parseRange(context: ItemContext): Item {
  const { rule, item } = context;
  const { text } = item;
  const [whole = "", star, from = "", dash, to = ""] =
    /^(?:(\*)|([0-9]+|[a-z]+)(?:(-)([0-9]+|[a-z]+|))?)/i.exec(text) ?? [];
  const rest = text.slice(whole.length);
  const isBareStep = whole === "" && rest.startsWith("/") && rule.mayStepFromValue;
  if (whole === "" && !isBareStep)
    throw refuseAt(context, 0, `${describeRange(rule)}, or *`, quoteText(text), hintFor(context));
  const isEvery = star !== undefined || isBareStep;
  const first = isEvery ? rule.min : checkValue(context, from, 0);
  const step = parseStep(context, rest, whole.length, isEvery || dash !== undefined);
  if (dash === undefined && !isEvery && step === undefined) return { values: [first] };
  const last = dash === undefined ? rule.max : checkValue(context, to, from.length + 1);
  if (last < first && !rule.mayWrap)
    throw refuseAt(context, from.length + 1, `a range that rises: ${to} or more after ${from}-`, quoteText(whole));
  return { values: spread(rule, first, last, step ?? 1) };
}

/** undefined: there is none. */
function parseStep(context: ItemContext, rest: string, at: number, isRange: boolean): number | undefined {
  if (rest === "") return undefined;
  const { rule } = context;
  if (!rest.startsWith("/"))
    throw refuseAt(context, at, "a comma, a step such as /5, or a space", quoteText(rest), hintFor(context));
  if (!isRange && !rule.mayStepFromValue)
    throw refuseAt(
      context,
      at,
      "a step only after * or a range",
      quoteText(rest),
      `Write ${context.item.text.replace("/", `-${rule.max}/`)}.`,
    );
  if (context.source.dialect === "quartz" && /^[a-z]/i.test(context.item.text))
    throw refuseAt(
      context,
      at,
      "no step behind a name",
      quoteText(rest),
      "Quartz ignores it, so whoever wrote it gets other days than they meant: write the range in numbers.",
    );
  const digits = rest.slice(1);
  const step = /^[0-9]{1,9}$/.test(digits) ? Number(digits) : 0;
  if (step >= 1 && step <= rule.maxStep) return step;
  throw refuseAt(context, at + 1, `a step from 1 to ${rule.maxStep} behind the /`, quoteText(digits));
}

/** From `first` to `last` by steps; over the end where `last` lies before `first`, as Quartz counts it. */
function spread(rule: FieldRule, first: number, last: number, step: number): readonly number[] {
  const size = rule.max - rule.min + 1;
  const end = last < first ? last + size : last;
  const count = Math.floor((end - first) / step) + 1;
  return Array.from({ length: count }, (_, index) => ((first + index * step - rule.min) % size) + rule.min);
}

/** `offset` in the item: where `text` stands. */
function checkValue(context: ItemContext, text: string, offset: number): number {
  const { rule } = context;
  const named = rule.names.indexOf(text.toUpperCase());
  if (named !== -1) return rule.min + named;
  const value = /^[0-9]{1,9}$/.test(text) ? Number(text) : Number.NaN;
  if (value >= rule.min && value <= rule.max) return value;
  throw refuseAt(context, offset, describeRange(rule), quoteText(text), hintFor(context));
}

// ── What the messages say ──────────────────────────────────────────────────────────────────────────────────────────

interface Complaint {
  readonly expected: string;
  readonly found: string;
  readonly hint?: string | undefined;
}

function refuseAt(context: ItemContext, offset: number, expected: string, found: string, hint?: string): CronError {
  return refuse(context.source, context.rule, context.item.at + offset, { expected, found, hint });
}

function refuse({ text, dialect }: Source, rule: FieldRule | null, at: number | null, complaint: Complaint): CronError {
  return new CronError({
    ...{ dialect, expression: text, field: rule?.name ?? null, position: at === null ? null : at + 1 },
    ...{ ...complaint, example: rule?.example ?? dialectRules[dialect].example },
  });
}

function describeRange(rule: FieldRule): string {
  const names = rule.names.length === 0 ? "" : ` or ${rule.names[0]} to ${rule.names.at(-1)}`;
  return `a number from ${rule.min} to ${rule.max}${names}`;
}

/** For signs that the other dialect, or another field, knows. */
function hintFor({ source, rule, item }: ItemContext): string | undefined {
  if (source.dialect === "unix" && /[?LW#]/i.test(item.text.replace(/[a-z]{3}/gi, "")))
    return 'The signs ? L W # belong to dialect "quartz".';
  if (source.dialect === "quartz" && item.text === "?") return "? stands only for day of month or day of week.";
  if (source.dialect === "quartz" && rule.key === "dayOfWeek" && item.text === "0")
    return 'In dialect "quartz" Sunday is 1; in "unix" it is 0.';
  return undefined;
}

function quoteText(text: string): string {
  return text === "" ? "nothing" : JSON.stringify(text);
}
