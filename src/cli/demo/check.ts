import type { Status } from "../../index.ts";
import { compareWithExecutions } from "./accounting.ts";
import { add, expectFrom, type Totals } from "./expected.ts";
import type { OrderResult } from "./jobs.ts";
import { type Book, bookNames, type JobName, type Movement } from "./movements.ts";
import type { Intake } from "./orders.ts";

/** What a run left behind, read from the engine's store and from the participants' own databases. */
export interface Evidence {
  readonly intake: Intake;
  readonly executions: readonly ExecutionSeen[];
  readonly movements: readonly Movement[];
  readonly starts: {
    /** Calls of `start`. */
    readonly calls: number;
    /** Those that said that theirs was the first of its key. */
    readonly firsts: number;
    /** Those that named another execution than an earlier call with that key. */
    readonly strays: number;
  };
}

export interface ExecutionSeen {
  readonly job: JobName;
  readonly invoice: string;
  readonly status: Status;
  /** Of a completed one. */
  readonly result: OrderResult | null;
}

export interface Figures extends Totals {
  readonly invoices: number;
  readonly rejected: number;
  readonly parked: number;
  readonly unfinished: number;
  /** Movements that happened more often than the executions account for, by business reference. */
  readonly appliedTwice: number;
}

export interface Check {
  readonly claim: string;
  readonly isTrue: boolean;
  /** What was found, where the claim is false; at most a few examples. */
  readonly found: readonly string[];
}

export interface Verdict {
  readonly figures: Figures;
  readonly checks: readonly Check[];
}

const maxExamples = 3;

/** Compares books, executions and rules with one another. Pure: what it is given is all that it looks at. */
export function judge(evidence: Evidence): Verdict {
  const { intake, executions, movements } = evidence;
  const accounted = compareWithExecutions(intake, executions, movements);
  const figures = figuresOf(evidence, accounted.appliedTwice);
  const checks = [
    claim("every order was submitted twice and started once", startFindings(evidence)),
    claim("no execution is unfinished or parked", openFindings(executions)),
    claim("nothing moved twice", accounted.excess),
    claim("what moved is what the finished executions say", [
      ...accounted.gaps,
      ...resultFindings(executions, figures),
    ]),
    claim("every execution ended as the rules of the business say", outcomeFindings(intake, figures)),
    claim("every balance is right: stock, accounts, points, orders", balanceFindings(intake, movements)),
  ];
  return { figures, checks };
}

function claim(text: string, findings: readonly string[]): Check {
  const more = findings.length - maxExamples;
  const found = more > 0 ? [...findings.slice(0, maxExamples), `and ${more} more`] : findings;
  return { claim: text, isTrue: findings.length === 0, found };
}

function figuresOf({ intake, executions, movements }: Evidence, appliedTwice: number): Figures {
  const moved = (job: JobName, book: Book): number =>
    movements.reduce((sum, it) => (it.job === job && it.book === book ? sum + it.amount : sum), 0);
  const ended = (job: JobName, status: Status): number =>
    countOf(executions, (it) => it.job === job && it.status === status);
  return {
    invoices: intake.orders.length + intake.cancellations.length + intake.rejected.length,
    rejected: intake.rejected.length,
    completed: ended("place-order", "completed"),
    compensated: ended("place-order", "compensated"),
    canceled: ended("cancel-order", "completed"),
    parked: countOf(executions, (it) => it.status === "parked"),
    unfinished: countOf(executions, isUnfinished),
    // 0 − x rather than −x, which would be −0 where nothing moved.
    unitsTaken: 0 - moved("place-order", "stock"),
    unitsReturned: moved("cancel-order", "stock"),
    penceCharged: moved("place-order", "accounts"),
    penceRefunded: 0 - moved("cancel-order", "accounts"),
    points: moved("place-order", "points") + moved("cancel-order", "points"),
    appliedTwice,
  };
}

const isUnfinished = ({ status }: ExecutionSeen): boolean =>
  status === "ready" || status === "running" || status === "waiting";

function startFindings({ intake, executions, starts }: Evidence): string[] {
  const accepted = intake.orders.length + intake.cancellations.length;
  const findings = [];
  if (starts.calls !== 2 * accepted) findings.push(`${starts.calls} starts for ${accepted} orders`);
  if (starts.firsts !== accepted)
    findings.push(`${starts.firsts} starts called themselves the first, of ${accepted} orders`);
  if (starts.strays !== 0)
    findings.push(`${starts.strays} starts named another execution than one before of the same key`);
  if (executions.length !== accepted) findings.push(`${executions.length} executions for ${accepted} orders`);
  return findings;
}

/** Killed and discarded ones count too: nobody asked for either. */
function openFindings(executions: readonly ExecutionSeen[]): string[] {
  const isFine = ({ status }: ExecutionSeen): boolean => status === "completed" || status === "compensated";
  return executions.filter((it) => !isFine(it)).map((it) => `${it.job} ${it.invoice} is ${it.status}`);
}

// ── Books, executions and rules against one another ─────────────────────────────────────────────────────────────────

/** The sums that the executions returned against the sums of the books. */
function resultFindings(executions: readonly ExecutionSeen[], figures: Figures): string[] {
  const sum = (job: JobName, part: keyof OrderResult): number =>
    executions.reduce((total, it) => (it.job === job ? total + (it.result?.[part] ?? 0) : total), 0);
  return differences([
    ["units taken", sum("place-order", "units"), figures.unitsTaken],
    ["pence charged", sum("place-order", "pence"), figures.penceCharged],
    ["points", sum("place-order", "points"), figures.points],
    ["units returned", sum("cancel-order", "units"), figures.unitsReturned],
    ["pence refunded", sum("cancel-order", "pence"), figures.penceRefunded],
  ]).map((it) => `${it} (executions, books)`);
}

function outcomeFindings(intake: Intake, figures: Figures): string[] {
  const expected = expectFrom(intake);
  return differences([
    ["completed", expected.completed, figures.completed],
    ["compensated", expected.compensated, figures.compensated],
    ["canceled", expected.canceled, figures.canceled],
  ]).map((it) => `${it} (rules, executions)`);
}

function balanceFindings(intake: Intake, movements: readonly Movement[]): string[] {
  const expected = expectFrom(intake).balances;
  const findings: string[] = [];
  for (const book of bookNames) {
    const found = new Map<string, number>();
    for (const movement of movements) if (movement.book === book) add(found, movement.subject, movement.amount);
    const subjects = new Set([...expected[book].keys(), ...found.keys()]);
    const pairs = [...subjects].map(
      (it) => [`${book} of ${it}`, expected[book].get(it) ?? 0, found.get(it) ?? 0] as const,
    );
    findings.push(...differences(pairs).map((it) => `${it} (rules, books)`));
  }
  return findings;
}

function differences(pairs: readonly (readonly [what: string, expected: number, found: number])[]): string[] {
  return pairs
    .filter(([, expected, found]) => expected !== found)
    .map(([what, expected, found]) => `${what}: ${expected} and ${found}`);
}

function countOf<T>(items: readonly T[], test: (item: T) => boolean): number {
  return items.reduce((count, item) => (test(item) ? count + 1 : count), 0);
}
