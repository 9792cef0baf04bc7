// The composition root of a process: wires store, journal, world and worker. Decides nothing.
import { hostname } from "node:os";
import { type Duration, toMs } from "./core/duration.ts";
import type { ValueCodec } from "./core/envelope.ts";
import { createValueFormat } from "./core/envelope.ts";
import { isCodedError, OptionError } from "./core/errors.ts";
import { createIdSource } from "./core/ids.ts";
import { validateNamespace } from "./core/keys.ts";
import { type Limits, resolveLimits } from "./core/limits.ts";
import { checkInteger, checkOptions } from "./core/options.ts";
import type { MessageConsumers, MessageRelays } from "./core/outbox.ts";
import type { Participant, ParticipantPort } from "./core/participant.ts";
import type { Clock, Log, Random, Tasks } from "./core/ports.ts";
import { schedulesChanged } from "./core/schedule-store.ts";
import type { Script } from "./core/script.ts";
import type { Store } from "./core/store.ts";
import { App } from "./engine/app.ts";
import { Engagements } from "./engine/engagements.ts";
import type { Env } from "./engine/env.ts";
import { declaredIn, executionOf } from "./engine/fire-starts.ts";
import { arrivalJob } from "./engine/follow/arrival.ts";
import { Followers } from "./engine/follow/followers.ts";
import { GroupCommit } from "./engine/group-commit.ts";
import { Registry } from "./engine/registry.ts";
import type { Companion, Session } from "./engine/session.ts";
import { Turns } from "./engine/turns.ts";
import { Worker } from "./engine/worker.ts";
import { Relay } from "./messaging/relay.ts";
import { createRelays } from "./messaging/relays.ts";
import { pruneBarrier } from "./participant/barrier/prune.ts";
import { pruneRecords } from "./participant/record/prune.ts";
import { Scheduler } from "./scheduler/scheduler.ts";
import { createSystemRandom, createTasks, defaultLog, sha256, systemClock } from "./system.ts";

export interface AppOptions {
  /** Where executions live: `sqlite(path)`, `postgres(pool)` or `mysql(pool)`. */
  readonly store: Store;
  /** Keeps the executions of several systems in one store apart. Default `default`. */
  readonly namespace?: string;
  /** Stable over restarts: a worker of the same name takes over from its predecessor at once. Default: host name and process id. */
  readonly workerName?: string;
  /**
   * The user's databases that jobs work on. `app.migrate()` brings their tables up to date; after `app.run()` this process
   * relays the messages of their outboxes; their barrier rows are deleted with the executions.
   */
  // biome-ignore lint/suspicious/noExplicitAny: participants of any transaction type
  readonly participants?: readonly Participant<any, any>[];
  /** Executions in memory at once. Default 256, 1 … 100 000. */
  readonly concurrency?: number;
  /** How long others wait before they take over executions and messages from a silent process. Default 30 s, min 1 s. */
  readonly lease?: Duration;
  /** Whether this process fires schedules while it runs. Any number of processes may. Default true. */
  readonly scheduler?: boolean;
  /** Longest pause between looks for work that nobody announced. Default 1 s, min 10 ms. */
  readonly poll?: Duration;
  /** Rests longer than this are spent in the store, not in memory. Default 5 s. */
  readonly suspendAfter?: Duration;
  /** Take-overs without a new journal row before an execution is parked as NO_PROGRESS. Default 5, 1 … 1 000. */
  readonly maxCrashes?: number;
  /** Of inputs, results, signals, steps; see limits.md for each with its default. */
  readonly limits?: Partial<Limits>;
  /** Encodes stored values, for example encrypts them. `others` are only read. */
  readonly values?: { readonly codec?: ValueCodec; readonly others?: readonly ValueCodec[] };
  /** pino-compatible. Default: warnings and errors as JSON lines on stderr. */
  readonly log?: Log;
  /** Development: every result is delivered by replay, so that a function that is not deterministic fails in tests. */
  readonly alwaysReplay?: boolean;
  /** For tests. Default: the system's. */
  readonly clock?: Clock;
  /** For tests. Default: the system's. */
  readonly random?: Random;
}

const optionKeys: readonly (keyof AppOptions)[] = [
  "store",
  "namespace",
  "workerName",
  "participants",
  "concurrency",
  "lease",
  "scheduler",
  "poll",
  "suspendAfter",
  "maxCrashes",
  "limits",
  "values",
  "log",
  "alwaysReplay",
  "clock",
  "random",
];
const maxNameBytes = 200;

/**
 * Makes an app. Opens nothing and starts nothing: `run()` makes this process work, `start()` starts executions.
 * Throws OPTION_INVALID.
 */
export function makegood(options: AppOptions): App {
  checkOptions(options, optionKeys, "makegood");
  const { store } = options;
  if (typeof store?.open !== "function")
    throw new OptionError(
      "store",
      'store: expected a store, such as sqlite("makegood.db") or postgres(pool), found something else',
    );
  const namespace = validateNamespace(options.namespace ?? "default");
  const name = options.workerName ?? `${hostname()}-${process.pid}`;
  if (typeof name !== "string" || name === "" || Buffer.byteLength(name) > maxNameBytes)
    throw new OptionError(
      "workerName",
      `workerName: expected a text of 1 to ${maxNameBytes} bytes, found ${JSON.stringify(name)}`,
    );
  const participants = options.participants ?? [];
  const limits = resolveLimits(options.limits);
  const log = options.log ?? defaultLog;
  const clock = options.clock ?? systemClock;
  const random = options.random ?? createSystemRandom();
  const values = { ...options.values, maxDepth: limits.maxDepth };
  const pollMs = toMs(options.poll ?? "1s", "poll", { min: 10 });
  const env: Env = {
    namespace,
    store,
    journal: new GroupCommit({ store: store.executions, lanes: store.flushLanes, clock, random, log }),
    clock,
    random,
    turns: new Turns(clock),
    newId: createIdSource(clock.now, (bytes) => random.bytes(bytes)),
    sha256,
    log,
    logListeners: new Set(),
    limits,
    formats: {
      input: createValueFormat({ ...values, maxBytes: limits.maxInputBytes }),
      result: createValueFormat({ ...values, maxBytes: limits.maxResultBytes }),
      signal: createValueFormat({ ...values, maxBytes: limits.maxSignalBytes }),
    },
    registry: new Registry(),
    followers: new Followers({ namespace, store: store.schedules, clock, log, pollMs }),
    engagements: new Engagements(store.reads, clock, log),
    isOwn: rememberOwn(store),
    suspendAfterMs: toMs(options.suspendAfter ?? "5s", "suspendAfter"),
    alwaysReplay: options.alwaysReplay ?? false,
  };
  const leaseMs = toMs(options.lease ?? "30s", "lease", { min: 1_000 });
  const worker = new Worker(env, createTasks(log), {
    name,
    concurrency: checkInteger(options.concurrency ?? 256, "concurrency", 1, 100_000),
    leaseMs,
    pollMs,
    maxCrashes: checkInteger(options.maxCrashes ?? 5, "maxCrashes", 1, 1_000),
    pruneBarriers: participants.length === 0 ? null : (ids) => pruneBarriers(participants, ids),
    pruneParticipants: participants.length === 0 ? null : (signal) => pruneExpired(participants, signal),
  });
  const makeRelays = (consumers: MessageConsumers): MessageRelays =>
    createRelays(
      participants.map(({ name, port }) => {
        const isOwn = (): Promise<boolean> => env.isOwn(port);
        return new Relay({ name, outbox: port.outbox, consumers, isOwn, clock, random, log, pollMs, leaseMs });
      }),
      createTasks(log),
    );
  const firesSchedules = options.scheduler ?? true;
  if (typeof firesSchedules !== "boolean")
    throw new OptionError("scheduler", `scheduler: expected true or false, found ${JSON.stringify(firesSchedules)}`);
  // Where schedules are fired, those that follow others are, too.
  if (firesSchedules) env.registry.add(arrivalJob);
  const makeScheduler = (session: Session, reconcile: () => Promise<void>): Companion =>
    createCenter({ session, reconcile, tasks: createTasks(log), pollMs, firesSchedules });
  return new App(env, worker, participants, makeRelays, makeScheduler);
}

interface CenterOptions {
  readonly session: Session;
  readonly reconcile: () => Promise<void>;
  readonly tasks: Tasks;
  readonly pollMs: number;
  readonly firesSchedules: boolean;
}

/** Brings the store in line with the code, then fires what is due. */
function createCenter({ session, reconcile, tasks, pollMs, firesSchedules }: CenterOptions): Companion {
  const { env } = session;
  const { namespace, clock, random, log } = env;
  const scheduler = new Scheduler({
    ...{ namespace, clock, random, log, pollMs, store: env.store.schedules },
    names: () => declaredIn(env).map(({ name }) => name),
    startOf: (fire) => executionOf(env, fire),
    announce: () => session.announce(),
  });
  let stopListening: (() => void) | undefined;
  let declaredCount = 0;
  const bringInLine = (): Promise<void> => {
    declaredCount = declaredIn(env).length;
    return reconcile();
  };
  return {
    async start() {
      await bringInLine();
      await session.insist(() => env.followers.refresh());
      env.followers.start(tasks);
      stopListening = env.store.listen(namespace, (said) => {
        if (said !== schedulesChanged) return;
        env.followers.poke();
        if (firesSchedules) scheduler.poke();
      });
      if (firesSchedules) scheduler.start(tasks);
    },
    poke() {
      env.followers.poke();
      // Jobs that were registered late may declare schedules.
      if (declaredIn(env).length !== declaredCount) tasks.start("reconcile", bringInLine);
      scheduler.poke();
    },
    async stop() {
      stopListening?.();
      await tasks.stop();
    },
  };
}

// biome-ignore lint/suspicious/noExplicitAny: participants of any transaction type
type Participants = readonly Participant<any, any>[];

async function pruneBarriers(participants: Participants, ids: readonly string[]): Promise<void> {
  for (const participant of participants) await pruneBarrier(participant, ids);
}

async function pruneExpired(participants: Participants, signal: AbortSignal): Promise<void> {
  for (const participant of participants) {
    try {
      await pruneRecords(participant, { signal });
    } catch (error) {
      // One that has none of these tables uses none of them.
      if (!isCodedError(error) || error.code !== "PARTICIPANT_NOT_MIGRATED") throw error;
    }
  }
}

/** Asked once per participant: the answer is a property of the database, not of the connection. */
function rememberOwn(store: Store): Env["isOwn"] {
  const known = new WeakMap<ParticipantPort, Promise<boolean>>();
  const find = async (
    port: ParticipantPort,
    ask: (script: Script<string | null>) => Promise<string | null>,
  ): Promise<boolean> =>
    port.dialect === store.own.dialect && (await ask(store.own.identityScript())) === store.own.identity;
  return (port, ask = (script) => port.ask(script)) => {
    const answer = known.get(port) ?? find(port, ask);
    known.set(port, answer);
    answer.catch(() => known.delete(port));
    return answer;
  };
}
