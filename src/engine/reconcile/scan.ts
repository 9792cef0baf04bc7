// One page of a scan: rows are read, and each is looked after.
import { describeValue, isCodedError, OptionError } from "../../core/errors.ts";
import { validateBusinessKey } from "../../core/keys.ts";
import { nextScan, type ScanMark, type Tally } from "../../core/reconcile.ts";
import type { Run } from "../run.ts";
import { type Fate, lookAfter } from "./cases.ts";
import { type Plan, scanAttribute } from "./plan.ts";

/** Room behind it for the number of a later case. */
const maxRowKeyBytes = 240;
const numbered = /#\d+$/;

/** Where this scan begins, by what the last one left. Of two scans never both run, so the newest that completed is the last. */
export async function lastScan(run: Run, plan: Plan): Promise<ScanMark> {
  const { env, claimed } = run;
  const [last] = await env.store.reads.list({
    namespace: env.namespace,
    job: plan.name,
    attribute: [scanAttribute, plan.name],
    statuses: ["completed"],
    limit: 1,
  });
  return nextScan(last === undefined ? null : await markOf(run, last.id), claimed.createdAt, plan.windowMs);
}

/** Null where a person settled that scan by word. */
async function markOf(run: Run, id: string): Promise<ScanMark | null> {
  const result = (await run.env.store.reads.outcomes([id])).get(id)?.result ?? null;
  const left = result === null ? undefined : (run.env.formats.result.decode(result) as { readonly mark?: ScanMark });
  return left?.mark ?? null;
}

/** Starts what is to be started for a page of rows. `after`: where the next page begins; null: there is none. */
export async function treatPage(
  run: Run,
  plan: Plan,
  mark: ScanMark,
  after: string | null,
  signal: AbortSignal,
): Promise<{ readonly tally: Tally; readonly after: string | null }> {
  const rows = await plan.find({ after, limit: plan.pageSize, since: new Date(mark.since), signal });
  const keys = checkPage(plan, rows, after);
  const fates = await Promise.all(rows.map((row, at) => lookAfter(run, plan, mark, row, keys[at] ?? "")));
  run.workStarted();
  run.env.store.announce(run.env.namespace, null);
  const isLast = rows.length < plan.pageSize;
  return { tally: tallyOf(fates), after: isLast ? null : (keys.at(-1) ?? null) };
}

/** The keys of the rows. Throws OPTION_INVALID for a page that cannot be what `find` was asked for. */
function checkPage(plan: Plan, rows: unknown, after: string | null): readonly string[] {
  const where = `reconcile ${plan.name}`;
  if (!Array.isArray(rows))
    throw new OptionError("find", `${where}: find: expected an array of rows, found ${describeValue(rows)}`);
  if (rows.length > plan.pageSize)
    throw new OptionError(
      "find",
      `${where}: find: expected at most ${plan.pageSize} rows, found ${rows.length}. Obey \`limit\``,
    );
  const keys = rows.map((row) => checkKey(plan, row, where));
  const twice = keys.find((key, at) => keys.indexOf(key) !== at);
  if (twice !== undefined)
    throw new OptionError(
      "key",
      `${where}: key: expected another key for each row of a page, found ${describeValue(twice)} twice. Two rows of one key would share one fix: make the key of all that tells them apart`,
    );
  if (after !== null && keys.includes(after))
    throw new OptionError(
      "find",
      `${where}: find: expected rows behind ${describeValue(after)}, found that row again. Order by the key and obey \`after\``,
    );
  return keys;
}

function checkKey(plan: Plan, row: unknown, where: string): string {
  let key: string;
  try {
    key = validateBusinessKey(plan.keyOf(row), maxRowKeyBytes);
  } catch (error) {
    if (!isCodedError(error)) throw error;
    throw new OptionError("key", `${where}: key: ${error.message}`, { cause: error });
  }
  if (plan.fix.options.key === undefined && numbered.test(key))
    throw new OptionError(
      "key",
      `${where}: key: expected a key that does not end in # and a number, found ${describeValue(key)}: so end the keys of later cases`,
    );
  return key;
}

function tallyOf(fates: readonly Fate[]): Tally {
  const count = (fate: Fate): number => fates.filter((one) => one === fate).length;
  return {
    rows: fates.length,
    started: count("started"),
    retried: count("retried"),
    underWay: count("underWay"),
    fixed: count("fixed"),
    givenUp: count("givenUp"),
    withPerson: count("withPerson"),
  };
}
