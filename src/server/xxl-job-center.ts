// A center for XXL-JOB executors, on an app: the jobs that send to executors, the door that hears them, and the keeper.
// Composition only.
import { createHash, timingSafeEqual } from "node:crypto";
import type { IncomingMessage, ServerResponse } from "node:http";
import { type Duration, toMs } from "../core/duration.ts";
import { describeValue, isCodedError, OptionError } from "../core/errors.ts";
import { isTerminal } from "../core/execution.ts";
import type { RunRow } from "../core/executors.ts";
import { checkOptions } from "../core/options.ts";
import type { Clock, Log, Random } from "../core/ports.ts";
import { zoneOf } from "../core/schedule/zone.ts";
import type { Store } from "../core/store.ts";
import type { App } from "../engine/app.ts";
import { type AdminMethod, adminMethods } from "../protocol/xxl-job/center.ts";
import { type Answer, contentType, failure } from "../protocol/xxl-job/wire.ts";
import { Center, endOf } from "../scheduler/dispatch/center.ts";
import { createDispatchJobs, type DispatchJobs, runEnded } from "../scheduler/dispatch/dispatch-job.ts";
import { createDoor, type Door } from "../scheduler/dispatch/door.ts";
import { createExecutorClient } from "../scheduler/dispatch/executor-client.ts";
import { Keeper } from "../scheduler/dispatch/keeper.ts";
import { createSystemRandom, createTasks, defaultLog, sha256, systemClock } from "../system.ts";

export interface XxlCenterOptions {
  /** On `store`. The center registers its jobs there; call `app.run()` after `xxlCenter()`. */
  readonly app: App;
  readonly store: Store;
  /** The app's. Default `default`. */
  readonly namespace?: string;
  /** Groups of executors, which Java calls appname, each with its access token. */
  readonly groups: Readonly<Record<string, string>>;
  /**
   * Whether calls that carry a script are sent, and jobs that are scripts taken by `addJob`: whoever may make a schedule, or has a
   * group's token, then runs code on that group's executors. Default false: an attempt of such a call ends as `refused`.
   */
  readonly scripts?: boolean;
  /** In which the cron expressions of jobs are meant that programs add by `addJob`. IANA name, default `UTC`. */
  readonly zone?: string;
  /** How long a registration counts without renewal. Default 90 s, min 1 s; executors renew every 30 s. */
  readonly registration?: Duration;
  /** How long an executor may take to answer a call. Default 3 s, 100 ms … 60 s. */
  readonly callTimeout?: Duration;
  /** Between two looks at a run under way: its log, its life. Default 2 s, min 50 ms. */
  readonly lookEvery?: Duration;
  /** Without a sign of life, before a run counts as lost. Default 60 s, min 50 ms; executors send reports again every 30 s. */
  readonly lostAfter?: Duration;
  /** pino-compatible. Default: warnings and errors as JSON lines on stderr. */
  readonly log?: Log;
  /** For tests. Default: the system's. */
  readonly clock?: Clock;
  /** For tests. Default: the system's. */
  readonly random?: Random;
}

export interface XxlCenter {
  /** What runs an order: `app.start(center.dispatch, { group, handler, … })`. Registered with the app. */
  readonly dispatch: DispatchJobs["dispatch"];
  /**
   * Answers what executors and programs call, under `/api/…` and `/xxl-job-admin/api/…`: for `node:http`, Express, and
   * whatever hands out Node's request and response. False: the path is not one of them, and nothing was answered.
   */
  handle(request: IncomingMessage, response: ServerResponse): boolean;
  /** Begins to look after runs. Safe twice. */
  start(): void;
  /** Stops looking after runs; other centers go on. */
  stop(): Promise<void>;
}

const optionKeys: readonly (keyof XxlCenterOptions)[] = [
  ...(["app", "store", "namespace", "groups", "scripts", "zone"] as const),
  ...(["registration", "callTimeout", "lookEvery", "lostAfter", "log", "clock", "random"] as const),
];
const maxBodyBytes = 5 * 2 ** 20;
const paths = /^(?:\/xxl-job-admin)?\/api\/([A-Za-z]+)$/;

/** Makes a center of an app. Connects to nothing and starts nothing. Throws OPTION_INVALID. */
export function xxlCenter(options: XxlCenterOptions): XxlCenter {
  checkOptions(options, optionKeys, "xxlCenter");
  const { app, store, namespace = "default", groups, scripts = false, log = defaultLog } = options;
  const { clock = systemClock, random = createSystemRandom() } = options;
  checkGroups(groups, scripts, log);
  const client = createExecutorClient({
    tokenOf: (group) => (Object.hasOwn(groups, group) ? groups[group] : undefined),
    timeoutMs: toMs(options.callTimeout ?? "3s", "callTimeout", { min: 100, max: 60_000 }),
  });
  const md5 = (text: string): Uint8Array => createHash("md5").update(text).digest();
  // A shard belongs to its broadcast's.
  const scheduleOf = async (id: string): Promise<string | null> => {
    const row = await store.reads.find(id);
    return row === null || row.root === id ? (row?.schedule ?? null) : scheduleOf(row.root);
  };
  const tools = { clock, random, log, md5, sha256 };
  const center = new Center({ namespace, executors: store.executors, client, scripts, scheduleOf, ...tools });
  const jobs = createDispatchJobs(center);
  app.register(jobs.dispatch, jobs.shard);
  const tell = (run: RunRow): Promise<void> => tellExecution(app, run);
  const hasEnded = async ({ executionId }: RunRow): Promise<boolean> => {
    const row = await store.reads.find(executionId);
    return row === null || isTerminal(row.status);
  };
  const everyMs = toMs(options.lookEvery ?? "2s", "lookEvery", { min: 50 });
  const keeper = new Keeper({
    center,
    hasEnded,
    tell,
    everyMs,
    lostAfterMs: toMs(options.lostAfter ?? "60s", "lostAfter", { min: 50 }),
  });
  const door = createDoor({
    center,
    hasEnded,
    tell,
    fetchLog: (run) => keeper.fetchLog(run),
    jobs: { schedules: app.schedules, center, scripts, zone: zoneOf(options.zone ?? "UTC", "xxlCenter.zone").name },
    registrationMs: toMs(options.registration ?? "90s", "registration", { min: 1_000 }),
    ...tokenChecks(groups),
  });
  const tasks = createTasks(log);
  let isStarted = false;
  return {
    dispatch: jobs.dispatch,
    handle: (request, response) => handle(door, log, request, response),
    start() {
      if (isStarted) return;
      isStarted = true;
      tasks.start("look after runs", (signal) => lookAgainAndAgain(keeper, everyMs, clock, log, signal));
    },
    stop: () => tasks.stop(),
  };
}

/** A secret that comes with the product is none. Throws OPTION_INVALID. */
export function checkGroups(groups: Readonly<Record<string, string>>, scripts: boolean, log: Log): void {
  if (typeof scripts !== "boolean")
    throw new OptionError("scripts", `scripts: expected true or false, found ${describeValue(scripts)}`);
  for (const [group, token] of Object.entries(groups)) {
    if (group === "" || Buffer.byteLength(group) > 255)
      throw new OptionError("groups", `groups: expected names of 1 to 255 bytes, found ${JSON.stringify(group)}`);
    if (typeof token !== "string" || token === "")
      throw new OptionError("groups", `groups: expected an access token for ${group}, found none`);
    if (token === "default_token" && scripts)
      throw new OptionError(
        "groups",
        `groups: expected an access token of your own for ${group} where scripts are sent, found XXL-JOB's default, which everybody knows`,
      );
    if (token === "default_token")
      log.warn(
        { group },
        "the access token of this group is XXL-JOB's default, which everybody knows; set one of your own",
      );
  }
}

function tokenChecks(groups: Readonly<Record<string, string>>) {
  const digestOf = (text: string): Buffer => createHash("sha256").update(text).digest();
  const digests = new Map(Object.entries(groups).map(([group, token]) => [group, digestOf(token)]));
  const unknown = digestOf(createSystemRandom().bytes(16).join(""));
  return {
    isTokenOf: (group: string, token: string) => timingSafeEqual(digests.get(group) ?? unknown, digestOf(token)),
    isKnownToken: (token: string) =>
      [...digests.values()].filter((it) => timingSafeEqual(it, digestOf(token))).length > 0,
  };
}

/** Idempotent by the run's number. An execution that has ended no longer wants to know. */
async function tellExecution(app: App, run: RunRow): Promise<void> {
  try {
    await app.signal(run.executionId, runEnded(run.attempt), endOf(run), { signalId: `run:${run.logId}` });
  } catch (error) {
    if (isCodedError(error) && ["SIGNAL_REFUSED", "EXECUTION_UNKNOWN"].includes(error.code)) return;
    throw error;
  }
}

async function lookAgainAndAgain(keeper: Keeper, everyMs: number, clock: Clock, log: Log, signal: AbortSignal) {
  while (!signal.aborted) {
    await keeper
      .look()
      .catch((error: unknown) => log.warn({ err: error }, "runs could not be looked after; trying again"));
    await new Promise<void>((settle) => {
      const cancel = clock.after(everyMs, end);
      signal.addEventListener("abort", end, { once: true });
      function end(): void {
        cancel();
        signal.removeEventListener("abort", end);
        settle();
      }
    });
  }
}

// ── HTTP ───────────────────────────────────────────────────────────────────────────────────────────────────────────

function handle(door: Door, log: Log, request: IncomingMessage, response: ServerResponse): boolean {
  const method = paths.exec(new URL(request.url ?? "/", "http://center").pathname)?.[1];
  if (method === undefined) return false;
  answer(door, request, method).then(
    (it) => send(response, it),
    (error: unknown) => {
      log.error({ err: error, method }, "a call of an executor could not be answered");
      send(response, failure("The center could not record this; send it again."));
    },
  );
  return true;
}

/** Always HTTP 200: a client takes any other status for a lost call. */
function send(response: ServerResponse, answer: Answer): void {
  response.writeHead(200, { "content-type": contentType }).end(JSON.stringify(answer));
}

async function answer(door: Door, request: IncomingMessage, method: string): Promise<Answer> {
  if (request.method !== "POST") return failure("The method is not supported: expected POST.");
  if (!isAdminMethod(method)) return failure(`The path is not known: expected one of ${adminMethods.join(", ")}.`);
  const body = await readBody(request);
  if (body === null) return failure(`The body is too large: expected at most ${maxBodyBytes} bytes.`);
  const header = (name: string): string | undefined => {
    const value = request.headers[name];
    return Array.isArray(value) ? value[0] : value;
  };
  return door({ method, header, body });
}

const isAdminMethod = (method: string): method is AdminMethod => (adminMethods as readonly string[]).includes(method);

async function readBody(request: IncomingMessage): Promise<string | null> {
  const parts: Buffer[] = [];
  let size = 0;
  for await (const part of request as AsyncIterable<Buffer>) {
    size += part.length;
    if (size <= maxBodyBytes) parts.push(part);
  }
  return size <= maxBodyBytes ? Buffer.concat(parts).toString("utf8") : null;
}
