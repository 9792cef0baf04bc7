// From a fire of a schedule to the rows of its execution. Mostly the row of the schedule says all; where the trigger computes
// the input, the code must be here.
import { canonicalText } from "../core/codec.ts";
import { CatalogError } from "../core/errors.ts";
import type { AnyJob } from "../core/job.ts";
import { fingerprint, fireKey } from "../core/keys.ts";
import type { Actor } from "../core/ports.ts";
import type { ScheduleDefinition, StartTemplate } from "../core/schedule/definition.ts";
import type { TimeTrigger } from "../core/schedule/trigger.ts";
import type { ScheduleRow } from "../core/schedule-store.ts";
import type { NewExecution } from "../core/store.ts";
import type { Env } from "./env.ts";
import { prepare } from "./prepare.ts";

/** A fire, or a start by hand: `at` null. `now`: the database's clock. */
export interface FireOf {
  readonly row: ScheduleRow;
  readonly definition: ScheduleDefinition;
  readonly at: number | null;
  readonly now: number;
  readonly actor?: Actor;
  /** In place of the schedule's own; by hand. */
  readonly input?: Uint8Array | null;
}

/** Rejects with JOB_UNKNOWN where the code that computes the input is not here, and with what that code throws. */
export function executionOf(env: Env, fire: FireOf): Promise<NewExecution> | NewExecution {
  const { row, input } = fire;
  return row.needsCode && input === undefined ? computed(env, fire) : stored(env, fire);
}

function stored(env: Env, fire: FireOf): NewExecution {
  const { row, definition } = fire;
  const { start } = definition;
  const id = env.newId();
  return {
    id,
    namespace: env.namespace,
    job: row.job,
    version: Math.max(start.version, env.registry.newestOf(row.job)?.job.version ?? 0),
    ...{ key: keyOf(fire), fingerprint: fire.at === null ? null : start.fingerprint, replacesRound: null },
    input: fire.input === undefined ? row.input : fire.input,
    ...{ priority: start.priority, group: start.group, timeoutMs: start.timeoutMs, attributes: start.attributes },
    ...{ concurrencyKey: start.concurrencyKey, blocking: start.blocking, delayMs: 0 },
    ...{ retainMs: start.retainMs, keyRetainMs: start.keyRetainMs },
    ...{ parent: null, root: id, traceContext: null, claimFor: null },
    actor: actorOf(fire),
    scheduled: { schedule: row.id, at: fire.at },
  };
}

async function computed(env: Env, fire: FireOf): Promise<NewExecution> {
  const { row, at, now } = fire;
  const { job, trigger } = declaredAs(env, row.name) ?? {};
  if (job === undefined || trigger?.input == null)
    throw new CatalogError(
      "JOB_UNKNOWN",
      `expected the code of schedule ${row.name} (job ${row.job}) to be registered here, found none. Fire it where it is registered`,
      { job: row.job, schedule: row.name },
    );
  const input = trigger.input({
    scheduledAt: new Date(at ?? now),
    firedAt: new Date(now),
    shard: { index: 0, total: 1 },
  });
  const prepared = await prepare(env, job, input, { actor: actorOf(fire), ownKey: keyOf(fire) });
  return { ...prepared, keyRetainMs: 0, scheduled: { schedule: row.id, at } };
}

const keyOf = ({ row, at }: FireOf): string | null => (at === null ? null : fireKey(row.id, at));
const actorOf = ({ row, actor }: FireOf): Actor => actor ?? { kind: "system", id: `schedule ${row.name ?? row.id}` };

/**
 * What fires of this job and input start with, resolved now. The key record of a fire goes with its execution: the row of the
 * schedule is what keeps a time from being fired twice.
 */
export async function templateOf(env: Env, job: AnyJob, input: unknown): Promise<Template> {
  const prepared = await prepare(env, job, input, { actor: { kind: "system", id: "schedule" } });
  const { priority, group, concurrencyKey, blocking, timeoutMs, retainMs, attributes, version } = prepared;
  const start = { version, priority, group, concurrencyKey, blocking, timeoutMs, retainMs, attributes, keyRetainMs: 0 };
  return { start: { ...start, fingerprint: fingerprintOf(env, input) }, input: prepared.input };
}

export interface Template {
  readonly start: StartTemplate;
  readonly input: Uint8Array | null;
}

export function fingerprintOf(env: Env, input: unknown): string {
  const { maxInputBytes: maxBytes, maxDepth } = env.limits;
  return fingerprint(
    env.sha256,
    canonicalText(env.formats.input.store(input, "input").value, "input", { maxBytes, maxDepth }),
  );
}

// ── Declared in code ───────────────────────────────────────────────────────────────────────────────────────────────

export interface Declared {
  readonly name: string;
  readonly job: AnyJob;
  readonly trigger: TimeTrigger<unknown>;
}

/** The time triggers of the newest versions here. The first of a job has the job's name, others a number behind it: names of people hold no #. */
export function declaredIn(env: Env): readonly Declared[] {
  return env.registry
    .newest()
    .flatMap(({ job, settings }) =>
      settings.triggers
        .filter((trigger) => trigger.kind === "time")
        .map((trigger, index) => ({ name: index === 0 ? job.name : `${job.name}#${index + 1}`, job, trigger })),
    );
}

function declaredAs(env: Env, name: string | null): Declared | undefined {
  const [jobName = "", number = "1"] = (name ?? "").split("#");
  const found = env.registry.newestOf(jobName);
  const triggers = found?.settings.triggers.filter((trigger) => trigger.kind === "time") ?? [];
  const trigger = triggers[Number(number) - 1];
  return found === undefined || trigger === undefined || name === null ? undefined : { name, job: found.job, trigger };
}
