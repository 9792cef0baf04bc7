import type { Terminal } from "../command.ts";
import type { Check } from "./check.ts";
import { formatPounds } from "./money.ts";
import type { Intake } from "./orders.ts";
import type { Run } from "./run.ts";

/** What everything that was found comes to. */
export interface Report {
  readonly intake: Intake;
  readonly run: Run;
  readonly plannedKills: number;
  readonly isGuarded: boolean;
}

/** True if every check is true. */
export const isRight = ({ run }: Report): boolean => run.verdict.checks.every((it) => it.isTrue);

/** For people: what came in, what happened, what moved, and whether it is right. */
export function printSummary(report: Report, terminal: Terminal): void {
  for (const line of summaryLines(report)) terminal.print(line);
}

/** For programs: one line. `seconds` in tenths. */
export function jsonLine({ run }: Report): string {
  const { figures } = run.verdict;
  return JSON.stringify({
    invoices: figures.invoices,
    rejected: figures.rejected,
    completed: figures.completed,
    compensated: figures.compensated,
    canceled: figures.canceled,
    parked: figures.parked,
    kills: run.killCount,
    unitsTaken: figures.unitsTaken,
    unitsReturned: figures.unitsReturned,
    penceCharged: figures.penceCharged,
    penceRefunded: figures.penceRefunded,
    points: figures.points,
    appliedTwice: figures.appliedTwice,
    unfinished: figures.unfinished,
    seconds: Math.round(run.seconds * 10) / 10,
  });
}

export function summaryLines(report: Report): string[] {
  const { intake, run, plannedKills } = report;
  const { figures } = run.verdict;
  const row = (label: string, value: number | string, note = ""): string => {
    const text = typeof value === "number" ? count(value) : value;
    return `  ${label.padEnd(18)}${text.padStart(14)}${note === "" ? "" : `   ${note}`}`;
  };
  return [
    "",
    row("invoices", figures.invoices, "each accepted one was submitted twice"),
    row("rejected", figures.rejected, rejectionNote(intake)),
    row(
      "place-order",
      figures.completed,
      `completed; ${count(figures.compensated)} compensated, the charge being refused`,
    ),
    row("cancel-order", figures.canceled, "completed"),
    row("parked", figures.parked),
    row("unfinished", figures.unfinished),
    row("kills", run.killCount, killNote(run, plannedKills)),
    "",
    row("units taken", figures.unitsTaken, "net of what compensation gave back"),
    row("units returned", figures.unitsReturned),
    row("charged", formatPounds(figures.penceCharged), "net of what compensation gave back"),
    row("refunded", formatPounds(figures.penceRefunded)),
    row("points", figures.points),
    row("applied twice", figures.appliedTwice),
    "",
    ...run.verdict.checks.flatMap(checkLines),
    "",
    conclusion(report),
  ];
}

function checkLines({ claim, isTrue, found }: Check): string[] {
  return [`  ${isTrue ? "ok   " : "WRONG"} ${claim}`, ...found.map((it) => `          ${it}`)];
}

function conclusion(report: Report): string {
  const { run, isGuarded } = report;
  const after = `${count(run.killCount)} kills in ${run.seconds.toFixed(1)} s`;
  if (isRight(report)) return `Every balance is right after ${after}.`;
  if (isGuarded) return `Something is WRONG after ${after}: see above.`;
  const twice = count(run.verdict.figures.appliedTwice);
  return `This is what happens without the guard: ${twice} movements too many after ${after}. Run it without --unguarded.`;
}

function rejectionNote({ rejected }: Intake): string {
  const reasons = Map.groupBy(rejected, (it) => it.why);
  return [...reasons].map(([why, list]) => `${count(list.length)} ${why}`).join(", ");
}

function killNote({ killCount, takeOversMs }: Run, planned: number): string {
  if (planned === 0) return "";
  const [fewest = 0, sum] = [Math.min(...takeOversMs), takeOversMs.reduce((total, it) => total + it, 0)];
  if (killCount < planned) return `of ${count(planned)} asked for: there was no more work to interrupt`;
  const average = Math.round(sum / Math.max(1, takeOversMs.length));
  return `with SIGKILL, each interrupting work; the restarted worker went on after ${Math.round(fewest)} ms at best, ${average} ms on average`;
}

const count = (value: number): string => value.toLocaleString("en-GB");
