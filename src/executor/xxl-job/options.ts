// The options of an executor, and what stands for those that are left out.
import { type Duration, toMs } from "../../core/duration.ts";
import { describeValue, OptionError } from "../../core/errors.ts";
import { checkInteger, checkOptions } from "../../core/options.ts";
import type { Clock, Log } from "../../core/ports.ts";
import { defaultLog, systemClock } from "../../system.ts";
import { type RunnableScript, runnableScripts, type XxlHandler } from "./handler.ts";

export interface XxlExecutorOptions {
  /** Roots of the admin's nodes, in the order in which they are tried: `http://host:8080/xxl-job-admin` up to 3.4.0, `http://host:8080` from 3.4.1 on. They share a database; one that answers is enough. */
  readonly admins: readonly string[];
  /** As the executor is named in the admin. 1 to 64 letters, digits, `-`, `_` and `.`. */
  readonly appname: string;
  /** The admin's token; from 3.5 on that of this executor in the admin. Empty where the admin has none: then anybody who reaches the port may trigger, and a warning says so. */
  readonly accessToken: string;
  /** What the admin is told to call, compared by it as a text. Default: `http://HOST:PORT/`. Required where `host` is a wildcard, and without a server of its own. A path in it is where `handler()` is mounted. */
  readonly address?: string;
  /** Where the server listens. Default `127.0.0.1`: name the interface that the admin reaches. */
  readonly host?: string;
  /** 0 takes a free one. `null`: no server; mount `handler()` or `fetch` in yours. Default 9999. */
  readonly port?: number | null;
  /** By the admin's JobHandler name, made with `xxlHandler`. May be empty where `scripts` is not. */
  readonly jobs: Readonly<Record<string, XxlHandler>>;
  /** Types of scripts that a trigger may bring along and that are run here: `GLUE_SHELL`, `GLUE_PYTHON`, `GLUE_PYTHON2`, `GLUE_NODEJS`, `GLUE_POWERSHELL`, `GLUE_PHP`. Whoever has the token then runs code as this process's user. Needs an `accessToken` of your own, and Linux or macOS. Default: none; scripts are refused. */
  readonly scripts?: readonly RunnableScript[];
  /** Names of environment variables that scripts get to see, beside `PATH`, `HOME` and `LANG`. Default: none. */
  readonly scriptEnv?: readonly string[];
  /** Where triggers, results and log files are kept; created when missing. One executor at a time. Default `makegood-xxl-job`. */
  readonly folder?: string;
  /** How often the registration is renewed. The admin forgets an executor after 90 s. Default 30 s, 1 s … 60 s. */
  readonly heartbeat?: Duration;
  /** Of one call to an admin. Default 3 s, 100 ms … 60 s. */
  readonly timeout?: Duration;
  /** How long log files and the record of finished runs are kept, in days of 24 h. Default 30 d, min 1 d. Within it a repeated `logId` is recognized. */
  readonly retention?: Duration;
  /** How long the next run of a job waits for a function that was told to stop and does not. A script is killed after half of it. Default 10 s. */
  readonly stopGrace?: Duration;
  /** Of a request. Default 1 MiB, 1 KiB … 64 MiB. */
  readonly maxBodyBytes?: number;
  /** Of the log of one run; what comes after is dropped, and a line says so. Default 10 MiB, 1 KiB … 1 GiB. */
  readonly maxLogBytes?: number;
  /** Runs accepted and not ended; above it triggers are refused. Default 10 000, 1 … 1 000 000. */
  readonly maxUnfinished?: number;
  /** pino-compatible. Default: warnings and errors as JSON lines on stderr. */
  readonly log?: Log;
  /** For tests. Default: the system's. */
  readonly clock?: Clock;
}

export interface XxlSettings {
  readonly admins: readonly string[];
  readonly appname: string;
  readonly accessToken: string;
  /** Null until the port is known. */
  readonly address: string | null;
  readonly host: string;
  readonly port: number | null;
  readonly jobs: ReadonlyMap<string, XxlHandler>;
  readonly scripts: readonly RunnableScript[];
  /** All that scripts get to see. */
  readonly scriptEnvironment: Readonly<Record<string, string>>;
  readonly folder: string;
  readonly heartbeatMs: number;
  readonly timeoutMs: number;
  readonly retentionMs: number;
  readonly stopGraceMs: number;
  readonly maxBodyBytes: number;
  readonly maxLogBytes: number;
  readonly maxUnfinished: number;
  readonly log: Log;
  readonly clock: Clock;
}

const optionKeys: readonly (keyof XxlExecutorOptions)[] = [
  "admins",
  "appname",
  "accessToken",
  "address",
  "host",
  "port",
  "jobs",
  "scripts",
  "scriptEnv",
  "folder",
  "heartbeat",
  "timeout",
  "retention",
  "stopGrace",
  "maxBodyBytes",
  "maxLogBytes",
  "maxUnfinished",
  "log",
  "clock",
];
const kib = 1_024;
const dayMs = 86_400_000;
const wildcards = ["0.0.0.0", "::"];
/** Shipped with the admin, and tried by every scanner. */
const knownTokens = ["default_token"];

/** Throws OPTION_INVALID. */
export function resolveOptions(options: XxlExecutorOptions): XxlSettings {
  checkOptions(options, optionKeys, "xxlExecutor");
  const host = options.host ?? "127.0.0.1";
  if (typeof host !== "string" || !/^[\w.:-]{1,255}$/.test(host))
    throw expected("host", "an address or a name to listen on", host);
  const port = options.port === null ? null : checkInteger(options.port ?? 9_999, "port", 0, 65_535);
  const address = options.address === undefined ? null : withSlash(checkUrl(options.address, "address"));
  if (address === null && (port === null || wildcards.includes(host)))
    throw new OptionError(
      "address",
      `address: expected the address that the admin is to call, since ${port === null ? "there is no server of its own" : `${host} is not one`}; found none`,
    );
  const log = options.log ?? defaultLog;
  const scripts = checkScripts(options.scripts ?? [], options.accessToken);
  return {
    admins: checkAdmins(options.admins),
    appname: checkAppname(options.appname),
    accessToken: checkToken(options.accessToken, log),
    address,
    host,
    port,
    jobs: checkJobs(options.jobs, scripts),
    scripts,
    scriptEnvironment: environmentOf(options.scriptEnv ?? []),
    folder: checkFolder(options.folder ?? "makegood-xxl-job"),
    heartbeatMs: toMs(options.heartbeat ?? "30s", "heartbeat", { min: 1_000, max: 60_000 }),
    timeoutMs: toMs(options.timeout ?? "3s", "timeout", { min: 100, max: 60_000 }),
    retentionMs: toMs(options.retention ?? "30d", "retention", { min: dayMs }),
    stopGraceMs: toMs(options.stopGrace ?? "10s", "stopGrace"),
    maxBodyBytes: checkInteger(options.maxBodyBytes ?? kib * kib, "maxBodyBytes", kib, 64 * kib * kib),
    maxLogBytes: checkInteger(options.maxLogBytes ?? 10 * kib * kib, "maxLogBytes", kib, kib * kib * kib),
    maxUnfinished: checkInteger(options.maxUnfinished ?? 10_000, "maxUnfinished", 1, 1_000_000),
    log,
    clock: options.clock ?? systemClock,
  };
}

function checkAdmins(admins: unknown): readonly string[] {
  if (!Array.isArray(admins) || admins.length === 0)
    throw expected("admins", 'a list of at least one address, such as ["http://127.0.0.1:8080/xxl-job-admin"]', admins);
  return admins.map((it, at) => checkUrl(it, `admins[${at}]`));
}

function checkUrl(text: unknown, name: string): string {
  const url = typeof text === "string" && URL.canParse(text) ? new URL(text) : null;
  if (typeof text !== "string" || url === null || !["http:", "https:"].includes(url.protocol))
    throw expected(name, "an http or https address", text);
  if (url.username !== "" || url.password !== "" || url.search !== "" || url.hash !== "")
    throw new OptionError(name, `${name}: expected an address without user, password, query or fragment, found one`);
  return text;
}

/** Java's executors register with it, and callers put a method's name behind exactly one. */
function withSlash(address: string): string {
  return address.endsWith("/") ? address : `${address}/`;
}

function checkAppname(appname: unknown): string {
  if (typeof appname !== "string" || !/^[\w.-]{1,64}$/.test(appname))
    throw expected("appname", "1 to 64 letters, digits, -, _ and .", appname);
  return appname;
}

function checkToken(token: unknown, log: Log): string {
  if (typeof token !== "string" || /[^\x21-\x7e]/.test(token))
    throw new OptionError(
      "accessToken",
      "accessToken: expected a text of visible ASCII characters, found something else",
    );
  if (token === "") log.warn({}, "XXL-JOB executor without accessToken: whoever reaches its port may trigger jobs");
  else if (knownTokens.includes(token))
    log.warn(
      {},
      "XXL-JOB executor with the token that the admin ships with: everybody knows it; set another one there and here",
    );
  return token;
}

/** Who may run code here must be known by a secret. */
function checkScripts(scripts: unknown, token: unknown): readonly RunnableScript[] {
  if (!Array.isArray(scripts)) throw expected("scripts", 'a list of types, such as ["GLUE_SHELL"]', scripts);
  const isRunnable = (type: unknown): boolean => runnableScripts.some((it) => it === type);
  for (const [at, type] of scripts.entries())
    if (!isRunnable(type)) throw expected(`scripts[${at}]`, `one of ${runnableScripts.join(", ")}`, type);
  if (scripts.length > 0 && (token === "" || knownTokens.some((it) => it === token)))
    throw new OptionError(
      "accessToken",
      `accessToken: expected one of your own where scripts are run, found ${token === "" ? "none" : "the one that the admin ships with"}: ` +
        "anybody who reaches the port could run code here",
    );
  if (scripts.length > 0 && process.platform === "win32")
    throw new OptionError(
      "scripts",
      "scripts: expected Linux or macOS, which end a script's whole process group, found Windows",
    );
  return scripts;
}

const alwaysSeen = ["PATH", "HOME", "LANG"];

function environmentOf(names: unknown): Readonly<Record<string, string>> {
  if (!Array.isArray(names)) throw expected("scriptEnv", 'a list of names, such as ["TZ"]', names);
  for (const [at, name] of names.entries())
    if (typeof name !== "string" || !/^[A-Za-z_]\w*$/.test(name))
      throw expected(`scriptEnv[${at}]`, "the name of an environment variable", name);
  const seen = [...alwaysSeen, ...(names as readonly string[])].map((name) => [name, process.env[name]]);
  return Object.fromEntries(seen.filter(([, value]) => value !== undefined));
}

function checkJobs(jobs: unknown, scripts: readonly RunnableScript[]): ReadonlyMap<string, XxlHandler> {
  const entries = typeof jobs === "object" && jobs !== null ? Object.entries(jobs) : [];
  if (entries.length === 0 && scripts.length === 0) throw expected("jobs", "at least one handler by its name", jobs);
  for (const [name, handler] of entries)
    if (handler?.kind !== "job" && handler?.kind !== "function")
      throw expected(`jobs.${name}`, "a handler made with xxlHandler", handler);
  return new Map(entries);
}

function checkFolder(folder: unknown): string {
  if (typeof folder === "string" && folder !== "" && !folder.includes("\0")) return folder;
  throw expected("folder", "the path of a folder", folder);
}

function expected(name: string, what: string, found: unknown): OptionError {
  return new OptionError(name, `${name}: expected ${what}, found ${describeValue(found)}`);
}
