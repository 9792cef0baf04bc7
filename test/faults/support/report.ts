/** What a process sees at the end, and what is wrong with it. */
import type { App } from "../../../src/engine/app.ts";
import type { Effect } from "./book.ts";
import { expected, type PlotName } from "./plots.ts";
import type { World } from "./world.ts";

export interface Report {
  readonly executionId: string;
  readonly state: string;
  readonly result: unknown;
  readonly journal: readonly { readonly row: string; readonly state: string; readonly seq: number }[];
  readonly effects: readonly Effect[];
  readonly unfinished: number;
  readonly incidents: readonly string[];
}

const unfinishedStatuses = ["ready", "running", "waiting", "parked"] as const;

export async function makeReport(app: App, world: World, executionId: string): Promise<Report> {
  const outcome = await app.execution(executionId).outcome();
  const { journal } = await app.history(executionId);
  const counts = await app.counts();
  return {
    executionId,
    state: outcome.state,
    result: outcome.state === "completed" ? outcome.result : null,
    journal: journal.map((row) => ({ row: `${row.step} ${row.role}`, state: row.state, seq: row.seq })),
    effects: await world.timeline(),
    unfinished: unfinishedStatuses.reduce((sum, status) => sum + counts[status], 0),
    incidents: (await app.incidents()).map((incident) => incident.code),
  };
}

/** What is wrong; empty if nothing is. */
export function faultsIn(report: Report, plot: PlotName): readonly string[] {
  const wanted = expected[plot];
  const faults: string[] = [];
  const compare = (what: string, found: unknown, right: unknown): void => {
    if (JSON.stringify(found) !== JSON.stringify(right))
      faults.push(`${what}: expected ${JSON.stringify(right)}, found ${JSON.stringify(found)}`);
  };
  compare("state", report.state, wanted.state);
  compare(
    "effects",
    report.effects.map(({ place, what }) => `${place} ${what}`),
    wanted.effects,
  );
  const rows = [...report.journal].sort((a, b) => a.seq - b.seq).map(({ row }) => row);
  compare(
    "journal",
    rows.filter((row) => wanted.mayHold?.includes(row) !== true),
    wanted.journal,
  );
  compare("unfinished executions", report.unfinished, 0);
  compare("incidents", report.incidents, []);
  faults.push(...strayReceipts(report.effects));
  if (report.state === "completed") compare("result", report.result, receiptsOf(report.effects));
  return faults;
}

const receiptsOf = (effects: readonly Effect[]): readonly string[] =>
  effects.filter(({ what }) => !what.includes(" ")).map(({ receipt }) => receipt);

/** An undo or a confirmation must be handed the receipt of the very effect that it belongs to. */
function strayReceipts(effects: readonly Effect[]): readonly string[] {
  const receipts = new Map(
    effects.filter(({ what }) => !what.includes(" ")).map(({ what, receipt }) => [what, receipt]),
  );
  return effects
    .filter(({ what, receipt }) => what.includes(" ") && receipts.get(what.split(" ")[1] ?? "") !== receipt)
    .map(({ place, what, receipt }) => `${place} ${what} was handed ${receipt}, a receipt that is not its own`);
}
