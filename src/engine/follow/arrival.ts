// An arrival: an execution that was followed has completed. It is inserted in the same commit as that end, so that neither is
// there without the other; what it starts is found by its key, so that it is started once, however often an arrival runs.
//
//   each   every arrival starts one
//   any    every arrival would start the one of its occasion; the first does
//   all    each looks whether the others are there. The last to be committed sees them all; two that see them all start the same
import { defaultJobSettings, job } from "../../core/define.ts";
import { CatalogError, NonRetryableError } from "../../core/errors.ts";
import type { AnyJob, Child, Context } from "../../core/job.ts";
import { arrivalKey, followKey, occasionOf } from "../../core/keys.ts";
import type { Ended } from "../../core/schedule/completed.ts";
import { Definitions, type ScheduleDefinition, seedOf } from "../../core/schedule/definition.ts";
import type { Join, Upstream } from "../../core/schedule/schedule.ts";
import type { ScheduleRow } from "../../core/schedule-store.ts";
import type { ExecutionRow, NewExecution } from "../../core/store.ts";
import { runOf } from "../context.ts";
import type { Env } from "../env.ts";
import { executionOf } from "../fire-starts.ts";
import { persist } from "../patience.ts";
import { prepare } from "../prepare.ts";
import type { Definition } from "../registry.ts";
import type { Run } from "../run.ts";
import { mayFollow } from "./followers.ts";

/** What an arrival is told. */
interface Arrival {
  /** The one that follows. */
  readonly schedule: string;
  readonly occasion: string;
  /** The execution that completed. */
  readonly ended: string;
}

/** What came of it. */
type Arrived =
  | { readonly kind: "started"; readonly execution: string; readonly isNew: boolean }
  /** Jobs and schedules that have not completed for this occasion. */
  | { readonly kind: "waits"; readonly for: readonly string[] }
  /** The schedule is not what it was when the arrival came. */
  | { readonly kind: "left"; readonly reason: string };

/** Runs arrivals of schedules whose row says all; every process with a scheduler has it. */
export const arrivalJob = createArrivalJob("makegood.after");

/** Of a job whose input is computed here: its arrivals run where it is registered. Null for another. */
export const arrivalJobOf = ({ job, settings }: Definition): AnyJob | null =>
  settings.triggers.some((one) => one.kind === "completed" && one.input !== null)
    ? createArrivalJob(ofJob(job.name))
    : null;

const ofJob = (name: string): string => `${name}/after`;
const arrivalJobName = ({ needsCode, job }: Pick<ScheduleRow, "needsCode" | "job">): string =>
  needsCode ? ofJob(job) : arrivalJob.name;

const definitions = new Definitions();

// ── Coming ─────────────────────────────────────────────────────────────────────────────────────────────────────────

/** For the commit in which this run completes. Undefined: the run is over. */
export async function arrivalsOf(
  run: Run,
  followers: readonly ScheduleRow[],
): Promise<readonly NewExecution[] | undefined> {
  const { env, id } = run;
  const row = await persist(run, () => env.store.reads.find(id));
  if (row === undefined) return undefined;
  if (row === null) return [];
  const made = followers.flatMap((follower) => arrivalsAt(run, row, follower));
  return Promise.all(made);
}

function arrivalsAt({ env }: Run, ended: ExecutionRow, follower: ScheduleRow): readonly Promise<NewExecution>[] {
  const { upstreams, join } = followedBy(follower) ?? { upstreams: [], join: "each" };
  const matching = upstreams.filter((one) => one.job === ended.job && isOf(one, ended));
  // Only where several must meet is it told by which of them it came.
  const counted = join === "all" ? matching : matching.slice(0, 1);
  const arrival: Arrival = { schedule: follower.id, occasion: occasionAt(ended), ended: ended.id };
  return counted.map(async (upstream) =>
    prepare(env, { ...arrivalJob, name: arrivalJobName(follower) }, arrival, {
      actor: { kind: "system", id: `schedule ${follower.name ?? follower.id}` },
      ownKey: join === "all" ? arrivalKey(env.sha256, arrival, upstream) : null,
      parent: { id: ended.id, root: ended.root },
    }),
  );
}

const isOf = ({ schedule }: Upstream, ended: ExecutionRow): boolean =>
  schedule === undefined || schedule === ended.schedule;

/** What it all began with: the planned time, handed down by the keys, or the first execution. */
const occasionAt = ({ schedule, key, root }: ExecutionRow): string =>
  (schedule === null ? null : occasionOf(schedule, key)) ?? root;

/** Null for one that no longer follows. */
function followedBy(row: ScheduleRow): { readonly upstreams: readonly Upstream[]; readonly join: Join } | null {
  const { timing } = definitions.read(row.definition, seedOf(row)).schedule;
  return timing.kind === "after" ? timing : null;
}

// ── Being there ────────────────────────────────────────────────────────────────────────────────────────────────────

function createArrivalJob(name: string): AnyJob {
  return job<Arrival, Arrival, Arrived>(
    name,
    {
      // What people write may throw here: a person mends it, and lets it try again.
      onFailure: "park",
      checklist: {
        level: "recorded",
        idempotent: "what it starts is found by its key",
        transitions: "it changes no row",
        compensated: "what it starts is a transaction of its own",
        timeout: "it only reads and starts",
        concurrency: "any number may run side by side",
      },
    },
    arrive,
  );
}

async function arrive(ctx: Context, arrival: Arrival): Promise<Arrived> {
  const run = runOf(ctx);
  const seen = await ctx.step("look", {
    run: () => look(run.env, arrival),
    effect: "natural",
    irreversible: "it only reads",
  });
  if (seen.kind !== "ready") return seen;
  const child = (await run.call("start", {
    kind: "start",
    onUndo: "leave",
    prepare: () => followUp(run, arrival, seen.ended),
  })) as Child<unknown>;
  return { kind: "started", execution: child.id, isNew: child.isNew };
}

type Seen =
  | Exclude<Arrived, { readonly kind: "started" }>
  | { readonly kind: "ready"; readonly ended: readonly string[] };

/** Whether it is time, and for which ends. */
async function look(env: Env, arrival: Arrival): Promise<Seen> {
  const row = await env.store.schedules.find(arrival.schedule);
  if (row === null) return { kind: "left", reason: "it was removed" };
  const followed = followedBy(row);
  if (followed === null || !mayFollow(row))
    return { kind: "left", reason: row.paused === "person" ? "it is paused" : "it no longer follows others" };
  if (followed.join !== "all") return { kind: "ready", ended: [arrival.ended] };
  const ended = await Promise.all(followed.upstreams.map((upstream) => arrivedFrom(env, row, arrival, upstream)));
  const missing = followed.upstreams.filter((_, at) => ended[at] === null);
  if (missing.length > 0) return { kind: "waits", for: missing.map(({ job, schedule }) => schedule ?? job) };
  return { kind: "ready", ended: ended.filter((one) => one !== null) };
}

/** The execution that completed; null: none has, or that was too long ago. */
async function arrivedFrom(env: Env, row: ScheduleRow, arrival: Arrival, upstream: Upstream): Promise<string | null> {
  const { reads } = env.store;
  const key = arrivalKey(env.sha256, arrival, upstream);
  const other = await reads.findByKey({ namespace: env.namespace, job: arrivalJobName(row), key });
  if (other === null) return null;
  const input = env.formats.input.decode(await reads.input(other.id)) as Arrival | undefined;
  return input?.ended ?? null;
}

// ── Starting ───────────────────────────────────────────────────────────────────────────────────────────────────────

async function followUp(run: Run, arrival: Arrival, ended: readonly string[]): Promise<NewExecution> {
  const { env } = run;
  const { schedule, occasion } = arrival;
  const row = await env.store.schedules.find(schedule);
  if (row === null)
    throw new CatalogError("SCHEDULE_UNKNOWN", `schedule ${schedule} was removed meanwhile`, { schedule });
  const { definition } = definitions.read(row.definition, seedOf(row));
  const at = /^\d+$/.test(occasion) ? Number(occasion) : null;
  const ends = await endsOf(env, ended, at);
  return executionOf(env, {
    ...{ row, definition, at, now: run.nowMs },
    following: {
      ...{ ends, parent: { id: run.id, root: run.claimed.root } },
      key: followKey(schedule, occasion, joinOf(definition) === "each" ? arrival.ended : undefined),
      keyRetainMs: defaultJobSettings.keyRetainMs,
    },
  });
}

const joinOf = ({ schedule }: ScheduleDefinition): Join => schedule.join ?? "each";

async function endsOf(env: Env, ids: readonly string[], at: number | null): Promise<readonly Ended<unknown>[]> {
  const { reads } = env.store;
  const outcomes = await reads.outcomes(ids);
  return Promise.all(
    ids.map(async (executionId) => {
      const [row, outcome] = [await reads.find(executionId), outcomes.get(executionId)];
      if (row === null || outcome === undefined)
        throw new NonRetryableError(
          `expected the result of execution ${executionId}, found that retention took it. Keep executions longer than those that follow them may wait`,
        );
      const result = env.formats.result.decode(outcome.result);
      return { executionId, job: row.job, result, scheduledAt: at === null ? null : new Date(at) };
    }),
  );
}
