// From a fire of a schedule to the rows of its execution. Mostly the row of the schedule says all; where the trigger computes
// the input, the code must be here.
import { canonicalText } from "../core/codec.ts";
import { dispatchJobName } from "../core/dispatch.ts";
import { CatalogError, OptionError } from "../core/errors.ts";
import type { AnyJob } from "../core/job.ts";
import { fingerprint, fireKey } from "../core/keys.ts";
import type { Actor } from "../core/ports.ts";
import type { Ended } from "../core/schedule/completed.ts";
import type { ScheduleDefinition, StartTemplate } from "../core/schedule/definition.ts";
import type { ScheduleRow } from "../core/schedule-store.ts";
import type { NewExecution } from "../core/store.ts";
import type { ScheduleTrigger, Trigger } from "../core/trigger.ts";
import type { Env } from "./env.ts";
import { prepare } from "./prepare.ts";
import { callOptionsOf, resolveCall } from "./remote-call.ts";

/** A fire, or a start by hand: `at` null. `now`: the database's clock. */
export interface FireOf {
  readonly row: ScheduleRow;
  readonly definition: ScheduleDefinition;
  readonly at: number | null;
  readonly now: number;
  readonly actor?: Actor;
  /** In place of the schedule's own; by hand. */
  readonly input?: Uint8Array | null;
  /** Where it follows others. */
  readonly following?: Following;
}

/** What a schedule that follows others starts: for which ends, and under which key. */
export interface Following {
  /** One for `each` and `any`; for `all` in the order of what is followed. */
  readonly ends: readonly Ended<unknown>[];
  readonly key: string;
  readonly keyRetainMs: number;
  readonly parent: { readonly id: string; readonly root: string };
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
    ...{ key: keyOf(fire), fingerprint: keyOf(fire) === null ? null : start.fingerprint, replacesRound: null },
    input: inputOf(env, fire),
    ...{ priority: start.priority, group: start.group, timeoutMs: start.timeoutMs, attributes: start.attributes },
    ...{ concurrencyKey: start.concurrencyKey, blocking: start.blocking, delayMs: 0 },
    ...{ retainMs: start.retainMs, keyRetainMs: start.keyRetainMs },
    ...{ parent: fire.following?.parent.id ?? null, root: fire.following?.parent.root ?? id },
    ...{ traceContext: null, claimFor: null },
    ...(fire.following === undefined ? {} : { keyRetainMs: fire.following.keyRetainMs }),
    actor: actorOf(fire),
    scheduled: { schedule: row.id, at: fire.at },
  };
}

/** Given by hand, else the schedule's; of a call that follows others, with what its param takes over from them. */
function inputOf(env: Env, { row, definition, input, following, now }: FireOf): Uint8Array | null {
  if (input !== undefined) return input;
  const { call } = definition;
  if (call === null || following === undefined || !call.param.includes(handedOver)) return row.input;
  const param = call.param.replaceAll(handedOver, () => following.ends.map(saidBy).join("\n"));
  return env.formats.input.store(resolveCall({ ...callOptionsOf(call), param }, call, now), "call").bytes;
}

/** In the param of a call that follows others: what they ended with. */
const handedOver = "{{result}}";

/** Of a handler of executors, what it said; of a broadcast, what each shard said, line by line. */
function saidBy({ job, result }: Pick<Ended<unknown>, "job" | "result">): string {
  if (job === dispatchJobName) {
    const { message, shards } = result as { readonly message: string; readonly shards?: readonly unknown[] };
    return shards === undefined ? message : shards.map((shard) => saidBy({ job, result: shard })).join("\n");
  }
  return typeof result === "string" ? result : JSON.stringify(result ?? "");
}

async function computed(env: Env, fire: FireOf): Promise<NewExecution> {
  const { row, at, now } = fire;
  const { following } = fire;
  const { job, trigger } = declaredAs(env, row.name) ?? {};
  if (job === undefined || trigger?.input == null)
    throw new CatalogError(
      "JOB_UNKNOWN",
      `expected the code of schedule ${row.name} (job ${row.job}) to be registered here, found none. Fire it where it is registered`,
      { job: row.job, schedule: row.name },
    );
  const input =
    trigger.kind === "completed"
      ? trigger.input(endsFor(fire))
      : trigger.input({
          scheduledAt: new Date(at ?? now),
          firedAt: new Date(now),
          shard: { index: 0, total: 1 },
        });
  const how = { actor: actorOf(fire), ownKey: keyOf(fire), parent: following?.parent };
  const prepared = await prepare(env, job, input, how);
  return { ...prepared, keyRetainMs: following?.keyRetainMs ?? 0, scheduled: { schedule: row.id, at } };
}

function endsFor({ row, following }: FireOf): readonly Ended<unknown>[] {
  if (following !== undefined) return following.ends;
  throw new OptionError(
    "input",
    `schedule ${row.name}: expected an input, found none: it follows others, and its own is made of what they end with`,
  );
}

const keyOf = ({ row, at, following }: FireOf): string | null =>
  following?.key ?? (at === null ? null : fireKey(row.id, at));
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
  readonly trigger: ScheduleTrigger<unknown>;
}

/** The triggers of the newest versions here that become schedules. The first of a job has the job's name, others a number behind it: names of people hold no #. */
export function declaredIn(env: Env): readonly Declared[] {
  return env.registry
    .newest()
    .flatMap(({ job, settings }) =>
      settings.triggers
        .filter(becomesSchedule)
        .map((trigger, index) => ({ name: index === 0 ? job.name : `${job.name}#${index + 1}`, job, trigger })),
    );
}

const becomesSchedule = (trigger: Trigger<unknown>): trigger is ScheduleTrigger<unknown> => trigger.kind !== "message";

function declaredAs(env: Env, name: string | null): Declared | undefined {
  const [jobName = "", number = "1"] = (name ?? "").split("#");
  const found = env.registry.newestOf(jobName);
  const triggers = found?.settings.triggers.filter(becomesSchedule) ?? [];
  const trigger = triggers[Number(number) - 1];
  return found === undefined || trigger === undefined || name === null ? undefined : { name, job: found.job, trigger };
}
