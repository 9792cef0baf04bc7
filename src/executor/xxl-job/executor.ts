// The executor: what a program holds in its hand. Starts its parts in order, and stops them in the other.
//
//     start: records → what a former process left → server → registration and callbacks
//     stop:  registration, and the admin is told → no more triggers → runs end → callbacks → server → records
import { existsSync } from "node:fs";
import type { Server } from "node:http";
import { resolve } from "node:path";
import { type Duration, toMs } from "../../core/duration.ts";
import { CatalogError, InvariantError, OptionError } from "../../core/errors.ts";
import { checkOptions } from "../../core/options.ts";
import type { Tasks } from "../../core/ports.ts";
import { createTasks } from "../../system.ts";
import { Admins } from "./admins.ts";
import { Endpoint } from "./endpoint.ts";
import { ExecutionLines } from "./execution-lines.ts";
import type { XxlApp } from "./handler.ts";
import { Lanes } from "./lanes.ts";
import { resolveOptions, type XxlExecutorOptions, type XxlSettings } from "./options.ts";
import { pause, performJob } from "./perform-job.ts";
import { clearScripts, performScript, type ScriptTools } from "./perform-script.ts";
import { performFunction } from "./performance.ts";
import { Records, type RunRow } from "./records.ts";
import { Registration } from "./registration.ts";
import { Reporter } from "./reporter.ts";
import { RunLogs } from "./run-logs.ts";
import { createNodeServer, fetchHandler, type NodeHandler, nodeHandler } from "./servers.ts";

/** What exists between start and stop. */
interface Parts {
  readonly records: Records;
  readonly lanes: Lanes;
  readonly reporter: Reporter;
  readonly registration: Registration;
  readonly endpoint: Endpoint;
  readonly server: Server | null;
  readonly tasks: Tasks;
  readonly address: string;
  /** Ends the wait for executions, which go on without it. */
  readonly leaving: AbortController;
  readonly offLog: () => void;
}

const pruneEveryMs = 3_600_000;
const pruneBatch = 1_000;
/** For the last callbacks, and for requests under way. */
const lastWordsMs = 5_000;
const stopped = JSON.stringify({ code: 500, msg: "this executor is not running" });

/** Makes an executor; opens nothing, listens to nothing. Throws OPTION_INVALID. */
export function xxlExecutor(options: XxlExecutorOptions): XxlExecutor {
  return new XxlExecutor(resolveOptions(options));
}

export class XxlExecutor {
  readonly #settings: XxlSettings;
  #starting: Promise<Parts> | null = null;
  #parts: Parts | null = null;
  #stopping: Promise<void> | null = null;

  /** Made by `xxlExecutor()`. */
  constructor(settings: XxlSettings) {
    this.#settings = settings;
  }

  /** What the admin is told to call; null before `start`, where the port is not known yet. */
  get address(): string | null {
    return this.#parts?.address ?? this.#settings.address;
  }

  /**
   * Takes up what a former process left, listens, and registers with the admin, which need not be there yet. `app` runs the
   * engine jobs among the handlers; call `app.run()` afterwards, so that no line of their logs is missed. Safe twice.
   *
   * Throws OPTION_INVALID (no app where a handler is a job, a port that is taken), STORE_UNAVAILABLE (the folder, or another
   * executor on it), STORE_SCHEMA.
   */
  async start(app?: XxlApp): Promise<void> {
    if (this.#stopping !== null)
      throw new CatalogError("APP_CLOSED", "this executor was stopped. Make a new one with xxlExecutor()", {});
    this.#starting ??= this.#start(app).catch((error: unknown) => {
      this.#starting = null;
      throw error;
    });
    this.#parts = await this.#starting;
  }

  /**
   * Tells the admin that it goes, takes no more triggers, lets functions end for `grace` (default 10 s), then aborts their
   * signals; tells the last results. Queued runs are called back as failed; jobs go on in the engine. Stop the app after it.
   * What could not be told is told by the next process on the same folder. Safe twice.
   */
  stop(options: { readonly grace?: Duration } = {}): Promise<void> {
    checkOptions(options, ["grace"], "stop");
    const graceMs = toMs(options.grace ?? "10s", "grace");
    this.#stopping ??= this.#stop(graceMs);
    return this.#stopping;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }

  /** For a server that is there already: mount it at the path of `address`, before anything that reads bodies. */
  handler(): NodeHandler {
    return nodeHandler((request) => this.#answer(request), this.#settings.maxBodyBytes);
  }

  /** The same for servers that speak the Fetch API, such as Hono's. */
  readonly fetch = (request: Request): Promise<Response> =>
    fetchHandler((it) => this.#answer(it), this.#settings.maxBodyBytes)(request);

  async #answer(request: Parameters<Endpoint["answer"]>[0]): Promise<string> {
    return this.#parts === null ? stopped : this.#parts.endpoint.answer(request);
  }

  // ── Starting and stopping ────────────────────────────────────────────────────────────────────────────────────────

  async #start(app: XxlApp | undefined): Promise<Parts> {
    const settings = this.#settings;
    if (app === undefined && [...settings.jobs.values()].some(({ kind }) => kind === "job"))
      throw new OptionError("app", "start: expected the app that runs the engine jobs among the handlers, found none");
    const records = new Records(settings.folder);
    const server = settings.port === null ? null : createNodeServer(this.handler());
    try {
      // Also where they are not allowed any more: one may still run.
      if (settings.scripts.length > 0 || existsSync(scriptFolderOf(settings)))
        await clearScripts(scriptFolderOf(settings), killAfterMsOf(settings), settings.log);
      if (server !== null) await listen(server, settings);
    } catch (error) {
      records.close();
      throw error;
    }
    return this.#assemble(app, records, server);
  }

  #assemble(app: XxlApp | undefined, records: Records, server: Server | null): Parts {
    const settings = this.#settings;
    const { clock, log, appname } = settings;
    const address = settings.address ?? ownAddress(settings.host, server);
    const logs = new RunLogs({ folder: settings.folder, maxBytes: settings.maxLogBytes, clock, log });
    const admins = new Admins(settings);
    const reporter = new Reporter({ records, admins, clock, log });
    const registration = new Registration({ admins, appname, address, heartbeatMs: settings.heartbeatMs, clock, log });
    const leaving = new AbortController();
    const lines = new ExecutionLines();
    const offLog = app?.onLog(lines.take) ?? (() => {});
    const scriptTools = ({ script }: RunRow): ScriptTools => ({
      folder: scriptFolderOf(settings),
      environment: settings.scriptEnvironment,
      source: records.sourceOf(script?.digest ?? ""),
      killAfterMs: killAfterMsOf(settings),
      clock,
    });
    const lanes = new Lanes({
      records,
      logs,
      handlers: settings.jobs,
      scripts: settings.scripts,
      perform: (handler, row, runLog) => {
        if (handler.kind === "script") return performScript(handler.type, row, runLog, scriptTools(row));
        if (handler.kind === "function") return performFunction(handler, row, runLog, clock);
        const bind = (executionId: string): void => records.bind(row.logId, executionId);
        if (app === undefined) throw new InvariantError("expected an app for a handler that is a job");
        const tools = { app, appname, lines, clock, log, bind, signal: leaving.signal };
        return performJob(handler, row, runLog, tools);
      },
      onEnded: reporter.poke,
      clock,
      log,
      stopGraceMs: settings.stopGraceMs,
      maxUnfinished: settings.maxUnfinished,
    });
    const endpoint = new Endpoint({ ...settings, lanes, records, logs, basePath: basePathOf(address) });
    const tasks = createTasks(log);
    lanes.resume();
    tasks.start("xxl-job callbacks", (signal) => reporter.run(signal));
    tasks.start("xxl-job registration", (signal) => registration.run(signal));
    tasks.start("xxl-job retention", (signal) => this.#retain(records, logs, signal));
    return { records, lanes, reporter, registration, endpoint, server, tasks, address, leaving, offLog };
  }

  async #stop(graceMs: number): Promise<void> {
    const parts = await this.#starting?.catch(() => null);
    if (parts === null || parts === undefined) return;
    await parts.tasks.stop();
    await parts.registration.remove();
    await parts.lanes.stop(graceMs);
    parts.leaving.abort();
    await parts.lanes.settled();
    parts.offLog();
    await parts.reporter.flush(AbortSignal.timeout(lastWordsMs));
    this.#parts = null;
    if (parts.server !== null) await close(parts.server);
    parts.records.close();
  }

  async #retain(records: Records, logs: RunLogs, signal: AbortSignal): Promise<void> {
    const { clock, log, retentionMs } = this.#settings;
    while (!signal.aborted) {
      try {
        const before = clock.now() - retentionMs;
        // In small parts: each is a commit, and the event loop waits for it.
        while (!signal.aborted && records.prune(before, pruneBatch) === pruneBatch) await pause(clock, 1, [signal]);
        await logs.prune(before);
      } catch (error) {
        log.warn(
          { err: error },
          "what has expired in the executor's folder could not be deleted; trying again in an hour",
        );
      }
      await pause(clock, pruneEveryMs, [signal]);
    }
  }
}

/** Absolute, since processes are known by it. */
const scriptFolderOf = ({ folder }: XxlSettings): string => resolve(folder, "scripts");

/** The next run waits as long again. */
const killAfterMsOf = ({ stopGraceMs }: XxlSettings): number => stopGraceMs / 2;

function listen(server: Server, { host, port }: XxlSettings): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  server.once("error", (error) =>
    reject(
      new OptionError("port", `port: expected ${host}:${port} to be free to listen on, found ${error.message}`, {
        cause: error,
      }),
    ),
  );
  server.listen(port ?? 0, host, resolve);
  return promise;
}

async function close(server: Server): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  server.close(() => resolve());
  server.closeIdleConnections();
  const late = AbortSignal.timeout(lastWordsMs);
  late.addEventListener("abort", () => server.closeAllConnections(), { once: true });
  await promise;
}

/** Where it listens; options without an address always have a server. */
function ownAddress(host: string, server: Server | null): string {
  const bound = server?.address() ?? null;
  if (bound === null || typeof bound === "string") throw new InvariantError("expected the server to have a port");
  return `http://${hostText(host)}:${bound.port}/`;
}

const hostText = (host: string): string => (host.includes(":") ? `[${host}]` : host);

/** With a slash at each end. */
function basePathOf(address: string): string {
  return new URL(address).pathname;
}
