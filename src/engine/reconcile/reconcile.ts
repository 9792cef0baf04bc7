// A job that sweeps up what failed. What it decides stands in core/reconcile.ts.
//
// The authority on a row is the executions of its fix, unique by their key: however many scans run, frozen ones and their
// successors included, no two fixes of a row are unfinished at once. The scan itself keeps nothing but what the next one
// needs to know, in its result, and runs one at a time. A crash between two pages repeats the page under way: its fixes are
// found by their keys.
import { defaultJobSettings, job, resolveJobSettings } from "../../core/define.ts";
import { toMs } from "../../core/duration.ts";
import { describeValue, OptionError } from "../../core/errors.ts";
import type { AnyJob, Context, Job } from "../../core/job.ts";
import { checkInteger, checkOptions } from "../../core/options.ts";
import type { ReconcileOptions, ScanMark, Tally } from "../../core/reconcile.ts";
import { runOf } from "../context.ts";
import { createGivenUp } from "./given-up.ts";
import { type Plan, scanAttribute } from "./plan.ts";
import { lastScan, treatPage } from "./scan.ts";

const optionKeys = ["schedule", "window", "find", "key", "fix", "input", "pageSize"] as const;
const defaultPageSize = 100;
const maxPageSize = 1_000;
/** Of one execution, whose journal is loaded whole. The next scan goes on where it stopped. */
const maxPages = 2_000;

/** What a scan found and did; `mark` is for the next scan. */
export interface ScanResult extends Tally {
  readonly since: Date;
  /** False: there were more rows than one scan takes. The next one goes on. */
  readonly isFinished: boolean;
  readonly mark: ScanMark;
}

/**
 * A job that looks for rows in a bad state and starts one `fix` for each, never two at once for a row. What fails is tried
 * again by the next scan; what is still bad when its window closes becomes an incident, an execution of `NAME/given-up`.
 *
 * A fix without a key of its own is started under the row's key, and under `KEY#2`, `KEY#3` … where the row turned bad
 * again after it had completed. One with a key of its own is not repeated once it has completed: if its row is bad then, a
 * person is asked.
 *
 * A scan that fails, or finds none to run it for hours, loses nothing: the next one looks back from the last that finished.
 *
 * @throws OPTION_INVALID, JOB_NAME_INVALID. A scan fails with OPTION_INVALID where `find` returns more rows than asked for,
 *   two of one key, or a row of the page before.
 */
export function reconcile<Row, I, O, R>(
  name: string,
  options: ReconcileOptions<Row, I, O, R>,
): Job<void, void, ScanResult> {
  return defineReconciler(name, options, maxPages);
}

/** `pageBound`: how many pages one scan takes. */
export function defineReconciler<Row, I, O, R>(
  name: string,
  options: ReconcileOptions<Row, I, O, R>,
  pageBound: number,
): Job<void, void, ScanResult> {
  const where = `reconcile ${describeValue(name)}`;
  checkOptions(options, optionKeys, where);
  for (const option of ["find", "key", "input"] as const)
    if (typeof options[option] !== "function")
      throw new OptionError(
        option,
        `${where}: ${option}: expected a function, found ${describeValue(options[option])}`,
      );
  const windowMs = toMs(options.window, `${where}: window`, { min: 1_000 });
  const fix = checkFix(options.fix, windowMs, where);
  const plan: Plan = {
    name,
    windowMs,
    fix,
    givenUp: createGivenUp(`${name}/given-up`),
    pageSize: checkInteger(options.pageSize ?? defaultPageSize, `${where}: pageSize`, 1, maxPageSize),
    find: options.find,
    keyOf: options.key as (row: unknown) => string,
    inputOf: options.input as (row: unknown) => unknown,
  };
  const scan = job(
    name,
    {
      on: [options.schedule],
      // A scan that comes while another one runs would find the same rows.
      concurrency: "discard-new",
      attributes: () => ({ [scanAttribute]: name }),
      checklist: declarations,
      retention: Math.max(defaultJobSettings.retainMs, 2 * windowMs),
    },
    (ctx) => scanAll(ctx, plan, pageBound),
  );
  return { ...scan, companions: [plan.givenUp] };
}

function checkFix(fix: AnyJob | undefined, windowMs: number, where: string): AnyJob {
  if (typeof fix?.handler !== "function")
    throw new OptionError("fix", `${where}: fix: expected a job made with job(…), found ${describeValue(fix)}`);
  if (resolveJobSettings(fix).retainMs < windowMs)
    throw new OptionError(
      "window",
      `${where}: window: expected at most the retention of job ${fix.name}, found a longer one: what was tried would be forgotten before the window closes. Give the job a longer \`retention\``,
    );
  return fix;
}

const reads = { effect: "natural", irreversible: "it only reads" } as const;
/** Started again, fixes are found by their keys. */
const starts = { effect: "natural", irreversible: "each fix is a transaction of its own" } as const;

const declarations = {
  level: "natural",
  idempotent: "it only starts fixes, each under its row's key",
  transitions: "it changes no row; its fix does",
  compensated: "each fix is a transaction of its own",
  timeout: "a page ends with its attempt",
} as const;

async function scanAll(ctx: Context, plan: Plan, pageBound: number): Promise<ScanResult> {
  const begun = await ctx.step("last scan", { run: () => lastScan(runOf(ctx), plan), ...reads });
  let tally = emptyTally;
  let after = begun.after;
  for (let page = 1; page <= pageBound; page++) {
    const from = after;
    const done = await ctx.step(["page", page], {
      run: ({ signal }) => treatPage(runOf(ctx), plan, begun, from, signal),
      ...starts,
    });
    tally = add(tally, done.tally);
    after = done.after;
    ctx.progress(0, `${tally.rows} rows`);
    if (after === null) break;
  }
  const mark = { ...begun, after };
  return { ...tally, since: new Date(begun.since), isFinished: after === null, mark };
}

const emptyTally: Tally = { rows: 0, started: 0, retried: 0, underWay: 0, fixed: 0, givenUp: 0, withPerson: 0 };

function add(a: Tally, b: Tally): Tally {
  const names = Object.keys(emptyTally) as readonly (keyof Tally)[];
  return Object.fromEntries(names.map((name) => [name, a[name] + b[name]])) as unknown as Tally;
}
