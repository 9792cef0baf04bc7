// Schedules, for people and programs: made, changed, paused, tried out. They live beside those declared in code.
import { dispatchJobName } from "../core/dispatch.ts";
import { CatalogError, describeValue, OptionError } from "../core/errors.ts";
import { isUuid } from "../core/ids.ts";
import type { AnyJob, Execution, Job } from "../core/job.ts";
import { validateJobName } from "../core/keys.ts";
import { checkInteger, checkOptions } from "../core/options.ts";
import type { Actor } from "../core/ports.ts";
import {
  Definitions,
  dispatchVersion,
  formatDefinition,
  type RemoteCall,
  type ScheduleDefinition,
  seedOf,
} from "../core/schedule/definition.ts";
import { backfill, preview } from "../core/schedule/fires.ts";
import { type Instant, toInstant } from "../core/schedule/instant.ts";
import type { Misfire } from "../core/schedule/misfire.ts";
import type { Schedule, ScheduleOptions } from "../core/schedule/schedule.ts";
import type { ScheduleContent, ScheduleId, ScheduleRow, ScheduleSource } from "../core/schedule-store.ts";
import type { AuditRow } from "../core/store.ts";
import type { ScheduleTrigger } from "../core/trigger.ts";
import { type CommandOptions, defaultActor } from "./commands.ts";
import { executionOf, fingerprintOf, type Template, templateOf } from "./fire-starts.ts";
import { graphOf, type ScheduleEdge } from "./follow/graph.ts";
import { checkLoop, planOf, refuseFollowed } from "./follow/plan.ts";
import type { Handles } from "./handles.ts";
import { type CallOptions, callOptionsOf, changedCall, noteWithScript, resolveCall } from "./remote-call.ts";
import type { Session } from "./session.ts";

export interface AddOptions<I> extends CommandOptions {
  /** Unique in the namespace, such as `nightly-report`. Default: none; then it is known by its id alone. */
  readonly name?: string;
  /** Of a job: what each fire hands to it. A call has its `param`. */
  readonly input?: I;
  /** Made, and not fired before it is resumed. Default false. */
  readonly paused?: boolean;
}

export interface EditOptions<I> extends CommandOptions {
  readonly on?: ScheduleTrigger<void>;
  readonly input?: I;
  /** Of a call: what is not given stays. */
  readonly call?: Partial<CallOptions>;
}

export interface RunOnceOptions<I> extends CommandOptions {
  /** In place of the schedule's. Only where the job is registered. */
  readonly input?: I;
  /** In place of the call's. */
  readonly param?: string;
  /** Of a call: only these executors of its group, as `CallOptions` has them. */
  readonly addresses?: readonly string[];
}

export type ScheduleState = "active" | "paused" | "waiting" | "ended";

/** Times are epoch ms. */
export interface ShownSchedule {
  readonly id: ScheduleId;
  readonly name: string | null;
  readonly source: ScheduleSource;
  readonly job: string;
  readonly call: RemoteCall | null;
  /** As `cron()`, `every()` and `at()` take it; of one that follows others, `after` and `join`. */
  readonly schedule: ScheduleOptions;
  readonly misfire: Misfire;
  /** `waiting`: a fixed delay whose execution has not ended. `ended`: it never fires again. */
  readonly state: ScheduleState;
  /** Who paused it: a person, or nobody: its declaration is gone from the code. */
  readonly paused: ScheduleRow["paused"];
  readonly version: number;
  readonly nextAt: number | null;
  readonly lastFiredAt: number | null;
  readonly createdAt: number;
  readonly updatedAt: number;
}

export interface ListSchedules {
  readonly source?: ScheduleSource;
  readonly job?: string;
  readonly group?: string;
  /** The last id of the page before. */
  readonly after?: ScheduleId;
  /** Default 100. */
  readonly limit?: number;
}

export interface Backfilled {
  readonly startedCount: number;
  /** Fired before, by the schedule or an earlier backfill. */
  readonly existedCount: number;
  /** Where to go on, if the limit cut the range. */
  readonly resumeAt: number | null;
}

const optionKeys = ["actor", "note"] as const;
const maxListed = 1_000;
const maxTries = 20;

export class Schedules {
  readonly #session: Session;
  readonly #handles: Handles;
  readonly #definitions = new Definitions();
  /** Told of every change, so that the loop looks at once. */
  readonly #changed: () => void;

  constructor(session: Session, handles: Handles, changed: () => void) {
    this.#session = session;
    this.#handles = handles;
    this.#changed = changed;
  }

  // ── Making and changing ──────────────────────────────────────────────────────────────────────────────────────────

  /**
   * Makes a schedule of a job, with a fixed input, or of a handler of an executor. Resolves after commit. Called again with the
   * same name it throws SCHEDULE_EXISTS. Throws INPUT_INVALID, JOB_NAME_INVALID, OPTION_INVALID.
   */
  async add<I, O, R>(
    what: Job<I, O, R> | CallOptions,
    on: ScheduleTrigger<void>,
    options: AddOptions<NoInfer<I>> = {},
  ): Promise<ShownSchedule> {
    checkOptions(options, ["name", "input", "paused", ...optionKeys], "schedules.add");
    checkTrigger(on);
    const { name = null, input, paused = false, actor = defaultActor, note = null } = options;
    if (name !== null) validateJobName(name);
    await this.#session.open();
    const { store, newId, namespace } = this.#session.env;
    const id = newId();
    const now = await this.#session.insist(() => store.schedules.now());
    const made = isCall(what)
      ? this.#callTemplate(id, resolveCall(what, null, now))
      : { ...(await templateOf(this.#session.env, what, input)), call: null };
    const plan = await planOf(this.#session, on);
    const definition: ScheduleDefinition = { format: 1, ...plan, start: made.start, call: made.call };
    const row = {
      ...{ id, namespace, name, source: "person" as const, needsCode: false, follows: on.kind === "completed" },
      ...contentOf(what, definition, made.input),
      ...{ paused: paused ? ("person" as const) : null, enabledAt: now, awaits: null, lastEndedAt: null },
    };
    if (row.follows) await checkLoop(this.#session, row);
    const nextAt = this.#definitions.nextDue({ ...row, lastFiredAt: null }, now);
    const audited = noteWithScript(note, null, made.call, this.#session.env.sha256);
    const outcome = await this.#session.insist(() => store.schedules.put({ ...row, nextAt }, actor, audited));
    if (outcome.kind === "exists" && outcome.id !== id)
      throw new CatalogError(
        "SCHEDULE_EXISTS",
        `a schedule named ${JSON.stringify(name)} exists: ${outcome.id}. Edit it, or choose another name`,
        {
          id: outcome.id,
          name,
        },
      );
    this.#changed();
    return this.#shown(id);
  }

  /**
   * Changes when it fires or what with. Planned times before now are not owed afterwards. Throws SCHEDULE_UNKNOWN,
   * SCHEDULE_DECLARED for one that code declares, INPUT_INVALID, OPTION_INVALID.
   * @param what the job, where its input changes
   */
  async edit<I>(ref: string, options: EditOptions<I>, what?: Job<I, unknown, unknown>): Promise<ShownSchedule> {
    checkOptions(options, ["on", "input", "call", ...optionKeys], "schedules.edit");
    if (options.on !== undefined) checkTrigger(options.on);
    return this.#change(ref, "edit", options, async (row, now) => {
      refuseDeclared(row, "edit");
      const { definition } = this.#read(row);
      const made = await this.#edited(row, definition, options, what, now);
      const next: ScheduleDefinition = {
        ...definition,
        ...(options.on === undefined ? {} : await planOf(this.#session, options.on)),
        ...(made === null ? {} : { start: made.start, call: made.call }),
      };
      const isDelay = next.schedule.afterEnd === true;
      const wasDelay = definition.schedule.afterEnd === true;
      const changed = { definition: formatDefinition(next), follows: next.schedule.after !== undefined };
      if (changed.follows) await checkLoop(this.#session, { ...row, ...changed });
      return {
        ...changed,
        ...(made === null ? {} : { input: made.input, group: made.call?.group ?? row.group }),
        enabledAt: now,
        awaits: isDelay && wasDelay ? row.awaits : null,
        // A delay begins anew, as after an end.
        lastEndedAt: isDelay ? (wasDelay ? row.lastEndedAt : now) : null,
      };
    });
  }

  /** Nothing is fired until `resume`. A fire that was committed before stands. Throws SCHEDULE_UNKNOWN. */
  pause(ref: string, options: CommandOptions = {}): Promise<ShownSchedule> {
    checkOptions(options, optionKeys, "schedules.pause");
    return this.#change(ref, "pause", options, async (row) => (row.paused === "person" ? null : { paused: "person" }));
  }

  /**
   * Fires again from now on. Planned times that passed meanwhile are owed only to a schedule that catches up; then they are made
   * up for within its bound. Throws SCHEDULE_UNKNOWN.
   */
  resume(ref: string, options: CommandOptions = {}): Promise<ShownSchedule> {
    checkOptions(options, optionKeys, "schedules.resume");
    return this.#change(ref, "resume", options, async (row, now) => {
      if (row.paused === null) return null;
      const catchesUp = this.#read(row).definition.misfire.policy === "catch-up";
      return { paused: null, ...(catchesUp ? {} : { enabledAt: now }) };
    });
  }

  /**
   * Its executions stay. Throws SCHEDULE_UNKNOWN, SCHEDULE_FOLLOWED while others follow it, and SCHEDULE_DECLARED for one that
   * code declares: it would come back.
   */
  async remove(ref: string, options: CommandOptions = {}): Promise<void> {
    checkOptions(options, optionKeys, "schedules.remove");
    const row = await this.#row(ref);
    if (row.paused !== "gone") refuseDeclared(row, "remove");
    await refuseFollowed(this.#session, row);
    const { actor = defaultActor, note = null } = options;
    await this.#session.insist(() => this.#store.remove({ id: row.id, actor, note }));
  }

  // ── Reading ──────────────────────────────────────────────────────────────────────────────────────────────────────

  /** By id or name. */
  async find(ref: string): Promise<ShownSchedule | null> {
    const row = await this.#lookUp(ref);
    return row === null ? null : this.#show(row);
  }

  /** Newest first. */
  async list(request: ListSchedules = {}): Promise<readonly ShownSchedule[]> {
    checkOptions(request, ["source", "job", "group", "after", "limit"], "schedules.list");
    await this.#session.open();
    const { namespace } = this.#session.env;
    const limit = checkInteger(request.limit ?? 100, "limit", 1, maxListed);
    const rows = await this.#session.insist(() => this.#store.list({ ...request, namespace, limit }));
    return rows.map((row) => this.#show(row));
  }

  /** Who made and changed it, by time; also of one that was removed, by its id. */
  async audit(ref: string): Promise<readonly AuditRow[]> {
    await this.#session.open();
    const id = isUuid(ref) ? ref : (await this.#row(ref)).id;
    return this.#session.insist(() => this.#store.audit(id));
  }

  /** Which schedules start which: what follows others, with what it follows. */
  async graph(): Promise<readonly ScheduleEdge[]> {
    await this.#session.open();
    return graphOf(this.#session);
  }

  /** The next planned times, without jitter; `from` default now, `count` 1 … 10 000, default 5. Throws SCHEDULE_UNKNOWN. */
  async preview(
    ref: string,
    options: { readonly count?: number; readonly from?: Instant } = {},
  ): Promise<readonly Date[]> {
    checkOptions(options, ["count", "from"], "schedules.preview");
    const { schedule } = this.#read(await this.#row(ref));
    const fromMs =
      options.from === undefined
        ? await this.#session.insist(() => this.#store.now())
        : toInstant(options.from, schedule.zone, "from");
    return preview(schedule, fromMs, options.count ?? 5).map((ms) => new Date(ms));
  }

  // ── Firing by hand ───────────────────────────────────────────────────────────────────────────────────────────────

  /** One execution now, beside the planned ones, also of a paused schedule. Throws SCHEDULE_UNKNOWN, JOB_UNKNOWN, INPUT_INVALID. */
  async runOnce<R = unknown>(ref: string, options: RunOnceOptions<unknown> = {}): Promise<Execution<R>> {
    checkOptions(options, ["input", "param", "addresses", ...optionKeys], "schedules.runOnce");
    const row = await this.#row(ref);
    const { definition } = this.#read(row);
    const now = await this.#session.insist(() => this.#store.now());
    const input = await this.#inputByHand(row, definition, options, now);
    const { actor = defaultActor } = options;
    const execution = await executionOf(this.#session.env, {
      ...{ row, definition, at: null, now, actor },
      ...(input === undefined ? {} : { input }),
    });
    const outcome = await this.#session.env.journal.start(execution);
    this.#session.announce();
    return this.#handles.handle<R>(outcome.id, outcome.round, true);
  }

  /**
   * Starts an execution for each planned time from `from` up to but not including `to`, unless there is one; at most `limit` (1 …
   * 10 000, default 1 000). Also of a paused schedule. Safe to repeat while retention keeps the executions. Throws
   * SCHEDULE_UNKNOWN, JOB_UNKNOWN, OPTION_INVALID.
   */
  async backfill(
    ref: string,
    range: { readonly from: Instant; readonly to: Instant; readonly limit?: number } & CommandOptions,
  ): Promise<Backfilled> {
    checkOptions(range, ["from", "to", "limit", ...optionKeys], "schedules.backfill");
    const row = await this.#row(ref);
    const { definition, schedule } = this.#read(row);
    const now = await this.#session.insist(() => this.#store.now());
    const from = toInstant(range.from, schedule.zone, "from");
    const to = toInstant(range.to, schedule.zone, "to");
    const { fires, resumeAt } = backfill(schedule, from, to, range.limit ?? 1_000);
    const { actor = defaultActor } = range;
    const { env } = this.#session;
    const outcomes = await Promise.all(
      fires.map(async (at) => {
        const execution = await executionOf(env, { row, definition, at, now, actor });
        return { execution, outcome: await env.journal.start(execution) };
      }),
    );
    const startedCount = outcomes.filter(({ execution, outcome }) => outcome.id === execution.id).length;
    this.#session.announce();
    return { startedCount, existedCount: outcomes.length - startedCount, resumeAt };
  }

  // ── Parts ────────────────────────────────────────────────────────────────────────────────────────────────────────

  get #store() {
    return this.#session.env.store.schedules;
  }

  async #lookUp(ref: string): Promise<ScheduleRow | null> {
    await this.#session.open();
    const { namespace } = this.#session.env;
    const row = await this.#session.insist(() =>
      isUuid(ref) ? this.#store.find(ref) : this.#store.findByName({ namespace, name: ref }),
    );
    return row?.namespace === namespace ? row : null;
  }

  async #row(ref: string): Promise<ScheduleRow> {
    const row = await this.#lookUp(ref);
    if (row !== null) return row;
    throw new CatalogError("SCHEDULE_UNKNOWN", `there is no schedule ${describeValue(ref)}. Give its id or its name`, {
      ref,
    });
  }

  #read(row: ScheduleRow): { readonly definition: ScheduleDefinition; readonly schedule: Schedule } {
    return this.#definitions.read(row.definition, seedOf(row));
  }

  /** Read, changed, written by compare-and-set: again where somebody edited or fired it meanwhile. Null: it is so already. */
  async #change(
    ref: string,
    verb: string,
    {
      actor = defaultActor,
      note = null,
    }: { readonly actor?: Actor | undefined; readonly note?: string | null | undefined },
    change: (row: ScheduleRow, now: number) => Promise<Partial<ScheduleContent> | null>,
  ): Promise<ShownSchedule> {
    for (let tried = 1; ; tried++) {
      const row = await this.#row(ref);
      const now = await this.#session.insist(() => this.#store.now());
      const changed = await change(row, now);
      if (changed === null) return this.#show(row);
      const content = { ...row, ...changed };
      // A fire time only rises: the decision is about times after `enabledAt` and after the last fire.
      const nextAt = this.#definitions.nextDue(content, now);
      const { id, version, lastFiredAt } = row;
      const seen = { version, lastFiredAt };
      const [before, after] = [this.#read(row).definition.call, this.#read(content).definition.call];
      const audited = noteWithScript(note, before, after, this.#session.env.sha256);
      const outcome = await this.#session.insist(() =>
        this.#store.edit({ id, seen, content: { ...content, nextAt }, verb, actor, note: audited }),
      );
      if (outcome.kind === "done" || (outcome.kind === "stale" && tried === maxTries)) {
        if (outcome.kind === "stale") throw busy(row);
        this.#changed();
        return this.#shown(id);
      }
    }
  }

  /**
   * One slot a schedule, or for all of one `jobId`: whether a call still runs is known to the center, not to one executor.
   */
  #callTemplate(id: ScheduleId, call: RemoteCall): Made {
    const { env } = this.#session;
    return {
      call,
      input: env.formats.input.store(call, "call").bytes,
      start: {
        ...{ version: dispatchVersion, fingerprint: fingerprintOf(env, call), priority: 5, group: call.group },
        ...{ concurrencyKey: call.block === null ? null : slotOf(id, call), blocking: call.block },
        ...{ timeoutMs: null, retainMs: callRetainMs, keyRetainMs: 0, attributes: {} },
      },
    };
  }

  async #edited(
    row: ScheduleRow,
    { call }: ScheduleDefinition,
    options: EditOptions<unknown>,
    job: AnyJob | undefined,
    now: number,
  ): Promise<Made | null> {
    if (options.call !== undefined) {
      if (call === null)
        throw new OptionError("call", `schedules.edit: expected input for job ${row.job}, found a call`);
      return this.#callTemplate(row.id, resolveCall(changedCall(call, options.call), call, now));
    }
    if (options.input === undefined) return null;
    return { ...(await this.#templateFor(row, options.input, job)), call: null };
  }

  #templateFor(row: ScheduleRow, input: unknown, job?: AnyJob): Promise<Template> {
    const known = job ?? this.#session.env.registry.newestOf(row.job)?.job;
    if (known?.name === row.job) return templateOf(this.#session.env, known, input);
    throw new CatalogError(
      "JOB_UNKNOWN",
      `expected job ${row.job} to be registered here to check its input, found none. Do it where it is registered`,
      { job: row.job },
    );
  }

  /** Undefined: the schedule's own. */
  async #inputByHand(
    row: ScheduleRow,
    { call }: ScheduleDefinition,
    { input, param, addresses }: RunOnceOptions<unknown>,
    now: number,
  ): Promise<Uint8Array | null | undefined> {
    if (param !== undefined || addresses !== undefined) {
      const what = param === undefined ? "addresses" : "param";
      if (call === null)
        throw new OptionError(
          what,
          `${what}: expected input for job ${row.job}, found ${what}, which is for handlers of executors`,
        );
      const options = {
        ...callOptionsOf(call),
        ...(param === undefined ? {} : { param }),
        ...(addresses === undefined ? {} : { addresses }),
      };
      return this.#session.env.formats.input.store(resolveCall(options, call, now), "call").bytes;
    }
    return input === undefined ? undefined : (await this.#templateFor(row, input)).input;
  }

  async #shown(id: ScheduleId): Promise<ShownSchedule> {
    return this.#show(await this.#row(id));
  }

  #show(row: ScheduleRow): ShownSchedule {
    const { schedule, misfire, call } = this.#read(row).definition;
    const { id, name, source, job, paused, version, nextAt, lastFiredAt, createdAt, updatedAt } = row;
    const state = stateOf(row);
    return {
      ...{ id, name, source, job, call, schedule, misfire, state, paused, version },
      ...{ nextAt: paused === null ? nextAt : null, lastFiredAt, createdAt, updatedAt },
    };
  }
}

interface Made extends Template {
  readonly call: RemoteCall | null;
}

const slotOf = (id: ScheduleId, { group, jobId }: RemoteCall): string =>
  jobId === undefined ? id : `${group} job ${jobId}`;

const callRetainMs = 30 * 86_400_000;

function stateOf({ paused, nextAt, awaits, follows }: ScheduleRow): ScheduleState {
  if (paused !== null) return "paused";
  if (nextAt !== null || follows) return "active";
  return awaits === null ? "ended" : "waiting";
}

const isCall = (what: AnyJob | CallOptions): what is CallOptions =>
  "script" in what || ("handler" in what && typeof what.handler === "string");

const contentOf = (what: AnyJob | CallOptions, definition: ScheduleDefinition, input: Uint8Array | null) => ({
  job: isCall(what) ? dispatchJobName : what.name,
  group: isCall(what) ? what.group : null,
  definition: formatDefinition(definition),
  input,
});

function checkTrigger(on: ScheduleTrigger<unknown>): void {
  const isTrigger = on?.kind === "time" ? on.schedule !== undefined : on?.kind === "completed" && on.of !== undefined;
  if (!isTrigger)
    throw new OptionError(
      "on",
      `on: expected a trigger such as cron("0 30 2 * * ?"), every("5m") or onCompleted("nightly-load"), found ${describeValue(on)}`,
    );
  if (on.input !== null)
    throw new OptionError(
      "on",
      "on: expected a trigger without an input function, which cannot be stored. Give a fixed input, or declare the trigger with the job",
    );
}

function refuseDeclared({ source, name, job }: ScheduleRow, verb: string): void {
  if (source !== "code") return;
  throw new CatalogError(
    "SCHEDULE_DECLARED",
    `cannot ${verb} schedule ${name}: job ${job} declares it in code. Change it there; it may be paused and resumed here`,
    { name, job },
  );
}

const busy = ({ id }: ScheduleRow): CatalogError =>
  new CatalogError(
    "STORE_CONFLICT",
    `schedule ${id} was changed by others again and again while it was to be changed here`,
    { id },
  );
