// One bad row: what was tried for it before, and what is to be done now.
import { isCodedError, type StoredError } from "../../core/errors.ts";
import { isTerminal } from "../../core/execution.ts";
import type { AnyJob } from "../../core/job.ts";
import { decideRow, type ScanMark, type Tally } from "../../core/reconcile.ts";
import type { ExecutionRow, NewExecution, StartOutcome } from "../../core/store.ts";
import { parseStoredError, toStoredError } from "../../core/stored-error.ts";
import { prepare } from "../prepare.ts";
import type { Run } from "../run.ts";
import type { Plan } from "./plan.ts";

export type Fate = Exclude<keyof Tally, "rows">;

/** Every fix that a reconciler started bears the first; the first of a case both. The value is the row's key. */
const rowAttribute = "makegood.row";
const caseAttribute = "makegood.case";
/** Fixes of one row whose executions retention has taken, while their keys are still known. */
const maxForgotten = 1_000;

interface Row {
  readonly run: Run;
  readonly plan: Plan;
  readonly key: string;
  /** The fix as it would be started first. */
  readonly first: NewExecution;
}

/** The newest fix of a row. */
interface Newest {
  readonly id: string;
  readonly key: string;
  readonly round: number;
  readonly status: ExecutionRow["status"];
  readonly endedAt: number;
}

/** Starts, repeats, or gives up the fix of one row; or leaves it alone. Called again it finds what it did. */
export async function lookAfter(run: Run, plan: Plan, mark: ScanMark, found: unknown, key: string): Promise<Fate> {
  let first: NewExecution;
  try {
    first = await prepared(run, plan.fix, plan.inputOf(found), key);
  } catch (error) {
    return refuseRow(run, plan, key, error);
  }
  const row: Row = { run, plan, key, first };
  const outcome = await run.env.journal.start(marked(first, key, true));
  if (isMine(outcome, first)) return "started";
  const { newest, opened, givenUp } = await lookUp(row, outcome);
  const decision = decideRow(
    { status: newest.status, endedAt: newest.endedAt, caseOpenedAt: opened?.createdAt ?? null, givenUp },
    { now: run.claimed.createdAt, previousAt: mark.previousAt, windowMs: plan.windowMs },
  );
  switch (decision) {
    case "under way":
      return "underWay";
    case "with a person":
      return "withPerson";
    case "fixed":
      return "fixed";
    case "anew":
      return (await tryAgain(row, newest, true)) ?? giveUp(row, newest, opened);
    case "again":
      return (await tryAgain(row, newest, false)) ?? giveUp(row, newest, opened);
    case "give up":
      return giveUp(row, newest, opened);
  }
}

function prepared(run: Run, job: AnyJob, input: unknown, key: string): PromiseLike<NewExecution> | NewExecution {
  const { claimed } = run;
  return prepare(run.env, job, input, {
    actor: { kind: "system", id: `execution:${claimed.id}` },
    key,
    parent: { id: claimed.id, root: claimed.root },
    traceContext: claimed.traceContext ?? undefined,
  });
}

function marked(execution: NewExecution, rowKey: string, opensCase: boolean): NewExecution {
  const attributes = {
    ...execution.attributes,
    [rowAttribute]: rowKey,
    ...(opensCase ? { [caseAttribute]: rowKey } : {}),
  };
  return { ...execution, attributes };
}

const isMine = (outcome: StartOutcome, execution: NewExecution): boolean =>
  outcome.kind === "started" || outcome.id === execution.id;

interface LookedUp {
  readonly newest: Newest;
  /** The first fix of its case; undefined if it is of none. */
  readonly opened: ExecutionRow | undefined;
  readonly givenUp: ExecutionRow["status"] | null;
}

async function lookUp({ run, plan, key, first }: Row, existing: StartOutcome): Promise<LookedUp> {
  const { reads } = run.env.store;
  const { namespace } = run.env;
  const job = plan.fix.name;
  const byAttribute = async (name: string): Promise<ExecutionRow | undefined> =>
    (await reads.list({ namespace, job, attribute: [name, key], limit: 1 }))[0];
  const ours = await byAttribute(rowAttribute);
  const newestKey = plan.fix.options.key === undefined ? (ours?.key ?? key) : (first.key ?? key);
  const known = (await reads.findByKey({ namespace, job, key: newestKey })) ?? { ...existing, status: existing.status };
  const execution = await reads.find(known.id);
  const newest: Newest = {
    id: known.id,
    key: newestKey,
    round: known.round,
    status: execution?.status ?? known.status,
    endedAt: execution?.endedAt ?? 0,
  };
  // Of a key that somebody else started last there is no case of ours.
  const opened = ours?.key === newestKey ? await byAttribute(caseAttribute) : undefined;
  const asked = await reads.findByKey({ namespace, job: plan.givenUp.name, key: opened?.id ?? newest.id });
  return { newest, opened, givenUp: asked?.status ?? null };
}

/** Undefined where the fix has a key of its own that completed: it is not run again. */
async function tryAgain(row: Row, newest: Newest, opensCase: boolean): Promise<Fate | undefined> {
  const hasOwnKey = row.plan.fix.options.key !== undefined;
  const fate: Fate = opensCase ? "started" : "retried";
  let last = newest;
  for (let n = 0; n < maxForgotten; n++) {
    if (last.status === "completed" && hasOwnKey) return undefined;
    const execution: NewExecution =
      last.status === "completed"
        ? { ...row.first, key: nextKey(row.key, last.key) }
        : { ...row.first, key: last.key, replacesRound: last.round };
    const outcome = await row.run.env.journal.start(marked(execution, row.key, opensCase));
    if (isMine(outcome, execution)) return fate;
    if (!isTerminal(outcome.status)) return "underWay";
    last = { ...outcome, key: execution.key ?? row.key, endedAt: 0 };
  }
  return "underWay";
}

/** `A-17`, `A-17#2`, `A-17#3` … */
function nextKey(rowKey: string, key: string): string {
  return key === rowKey ? `${rowKey}#2` : `${rowKey}#${Number(key.slice(rowKey.length + 1)) + 1}`;
}

/** Asks a person: an execution that parks at once, with an incident. Once for a case. */
async function giveUp(row: Row, newest: Newest, opened: ExecutionRow | undefined): Promise<Fate> {
  const { run, plan } = row;
  const error = (await run.env.store.reads.outcomes([newest.id])).get(newest.id)?.error ?? null;
  const stored: StoredError | null = error === null ? null : parseStoredError(run.env.formats.result.decode(error));
  const input = { case: opened?.id ?? newest.id, row: row.key, fix: plan.fix.name, key: newest.key, error: stored };
  return ask(run, plan, input);
}

/** Of a row whose fix cannot even be started, since its input is refused: the others of the page must not wait for it. */
async function refuseRow(run: Run, plan: Plan, key: string, thrown: unknown): Promise<Fate> {
  // Not the row's fault, but the store's or a codec's.
  if (isCodedError(thrown) && thrown.retryable) throw thrown;
  const error = toStoredError(thrown);
  return ask(run, plan, { case: `input:${key}`, row: key, fix: plan.fix.name, key, error });
}

async function ask(run: Run, plan: Plan, input: GivenUpInput): Promise<Fate> {
  const execution = await prepared(run, plan.givenUp, input, input.case);
  return isMine(await run.env.journal.start(execution), execution) ? "givenUp" : "withPerson";
}

export interface GivenUpInput {
  /** The case's first fix. */
  readonly case: string;
  readonly row: string;
  /** The job, and the key of the last fix. */
  readonly fix: string;
  readonly key: string;
  readonly error: StoredError | null;
}
