// Schedules declared in code, brought in line with the store when a process begins to work. Created, updated, paused when they
// are gone, resumed when they are back. Each is one compare-and-set, so that any number of processes may do it at once: of two
// versions of the code that run side by side the one that began last has its way.
//
// Gone is what a job that is registered here no longer declares, and what belongs to a job that no live worker has. A service
// that is merely down meets the second, too: its schedules are paused as `gone`, which keeps what they owe, and go on as if
// nothing had been when it is back.
import type { Actor } from "../core/ports.ts";
import { Definitions, formatDefinition, type ScheduleDefinition } from "../core/schedule/definition.ts";
import type { ScheduleContent, ScheduleRow } from "../core/schedule-store.ts";
import type { Env } from "./env.ts";
import { type Declared, declaredIn, type Template, templateOf } from "./fire-starts.ts";
import { checkLoop, planOf } from "./follow/plan.ts";
import type { Session } from "./session.ts";

/** What the code says of a schedule. */
type Declaration = Pick<ScheduleContent, "job" | "group" | "definition" | "input" | "needsCode" | "follows">;

const actor: Actor = { kind: "system", id: "code" };
const pageSize = 500;
const maxTries = 20;
const callerInput = undefined;

export class Reconciler {
  readonly #session: Session;
  readonly #definitions = new Definitions();

  constructor(session: Session) {
    this.#session = session;
  }

  /** Rejects with what the store rejects with, after patience. Safe to repeat. */
  async run(): Promise<void> {
    const declared = declaredIn(this.#env);
    for (const one of declared) await this.#declare(one);
    await this.#pauseGone(new Set(declared.map(({ name }) => name)));
  }

  get #env(): Env {
    return this.#session.env;
  }

  get #store() {
    return this.#env.store.schedules;
  }

  // ── Declared ─────────────────────────────────────────────────────────────────────────────────────────────────────

  async #declare(declared: Declared): Promise<void> {
    const { name, job } = declared;
    const { namespace, log, newId } = this.#env;
    const wanted = await this.#contentOf(declared);
    if (wanted.follows) await checkLoop(this.#session, { ...wanted, name });
    for (let tried = 1; ; tried++) {
      const row = await this.#session.insist(() => this.#store.findByName({ namespace, name }));
      const now = await this.#session.insist(() => this.#store.now());
      if (row === null) {
        const fresh = { paused: null, enabledAt: now, awaits: null, lastEndedAt: null, lastFiredAt: null };
        const schedule = { ...wanted, ...fresh, id: newId(), namespace, name, source: "code" as const };
        const nextAt = this.#definitions.nextDue(schedule, now);
        const outcome = await this.#session.insist(() => this.#store.put({ ...schedule, nextAt }, actor));
        if (outcome.kind === "created" || outcome.id === schedule.id) return;
      } else if (row.source !== "code") {
        log.error(
          { schedule: name, job: job.name },
          "a schedule that people made has the name of one declared in code, which is not fired; rename or remove it",
        );
        return;
      } else {
        const content = this.#changeOf(row, wanted, now);
        if (content === null) return;
        const { id, version, lastFiredAt } = row;
        const verb = row.paused === "gone" ? "resume" : "update";
        const edit = { id, seen: { version, lastFiredAt }, content, verb, actor, note: null };
        const outcome = await this.#session.insist(() => this.#store.edit(edit));
        if (outcome.kind === "done") {
          log.info({ schedule: name, verb }, "a schedule was brought in line with the code");
          return;
        }
      }
      // Another process was first: most likely with the same code.
      if (tried === maxTries) {
        log.warn({ schedule: name }, "a schedule is being changed by others again and again; it was left as it is");
        return;
      }
    }
  }

  async #contentOf({ job, trigger }: Declared): Promise<Declaration> {
    const needsCode = trigger.input !== null;
    const made = needsCode ? this.#bareTemplate(job.version) : await templateOf(this.#env, job, callerInput);
    const definition: ScheduleDefinition = {
      ...{ format: 1, ...(await planOf(this.#session, trigger)) },
      ...{ start: made.start, call: null },
    };
    return {
      ...{ job: job.name, group: null, definition: formatDefinition(definition), input: made.input, needsCode },
      follows: trigger.kind === "completed",
    };
  }

  /** Of one whose input is computed with each fire: all else is, too. */
  #bareTemplate(version: number): Template {
    return {
      start: {
        ...{ version, fingerprint: "", priority: 0, group: null, concurrencyKey: null, blocking: null },
        ...{ timeoutMs: null, retainMs: 0, keyRetainMs: 0, attributes: {} },
      },
      input: null,
    };
  }

  /** Null: it is so already. One that a person paused stays paused; one that was gone goes on where it was. */
  #changeOf(row: ScheduleRow, wanted: Declaration, now: number): ScheduleContent | null {
    const isSame =
      row.definition === wanted.definition &&
      row.needsCode === wanted.needsCode &&
      row.follows === wanted.follows &&
      row.job === wanted.job &&
      sameBytes(row.input, wanted.input);
    const isBack = row.paused === "gone";
    if (isSame && !isBack) return null;
    const paused = isBack ? null : row.paused;
    if (isSame) return { ...row, paused };
    const before = this.#scheduleText(row.definition);
    const isSameTime = before !== null && before === this.#scheduleText(wanted.definition);
    if (isSameTime) return { ...row, ...wanted, paused };
    // Another plan: what it owes begins now.
    const isDelay = this.#definitions.read(wanted.definition, "").schedule.timing.kind === "delay";
    const content = { ...row, ...wanted, paused, enabledAt: now, awaits: null, lastEndedAt: isDelay ? now : null };
    return { ...content, nextAt: this.#definitions.nextDue(content, now) };
  }

  /** What says when it fires; null for a text that this code cannot read. */
  #scheduleText(definition: string): string | null {
    try {
      return JSON.stringify(this.#definitions.read(definition, "").definition.schedule);
    } catch {
      return null;
    }
  }

  // ── Gone ─────────────────────────────────────────────────────────────────────────────────────────────────────────

  async #pauseGone(declared: ReadonlySet<string>): Promise<void> {
    const { namespace, registry } = this.#env;
    const here = new Set(registry.newest().map(({ job }) => job.name));
    const unserved = new Set(await this.#session.insist(() => this.#store.unserved(namespace)));
    const isGone = ({ name, job }: ScheduleRow): boolean =>
      here.has(job) ? !declared.has(name ?? "") : unserved.has(job);
    for (let after: string | undefined; ; ) {
      const request = {
        namespace,
        source: "code" as const,
        limit: pageSize,
        ...(after === undefined ? {} : { after }),
      };
      const rows = await this.#session.insist(() => this.#store.list(request));
      for (const row of rows) if (row.paused === null && isGone(row)) await this.#pause(row);
      after = rows.at(-1)?.id;
      if (rows.length < pageSize) return;
    }
  }

  async #pause(row: ScheduleRow): Promise<void> {
    const { id, name, job, version, lastFiredAt } = row;
    const { log, registry } = this.#env;
    const isDown = registry.newestOf(job) === undefined;
    const note = isDown ? "no live worker has its job" : "its job no longer declares it";
    // What follows others keeps following while its code is merely down: see Followers.
    const content = { ...row, paused: "gone" as const, follows: row.follows && isDown };
    const edit = { id, seen: { version, lastFiredAt }, content, verb: "pause", actor, note };
    const outcome = await this.#session.insist(() => this.#store.edit(edit));
    // Fired meanwhile: somebody has it.
    if (outcome.kind !== "done") return;
    log.warn({ schedule: name, job, reason: note }, "a schedule is gone from the code: it was paused");
  }
}

function sameBytes(a: Uint8Array | null, b: Uint8Array | null): boolean {
  if (a === null || b === null) return a === b;
  return a.length === b.length && a.every((byte, i) => byte === b[i]);
}
