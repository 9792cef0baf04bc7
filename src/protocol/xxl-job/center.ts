// The admin's side of the wire: what executors send to a center, and what a center sends to them.
import type { StampedScript } from "../../core/schedule/call-script.ts";
import type { Parsed } from "./fields.ts";
import { isRecord, parseJson } from "./wire.ts";

/** What an executor calls, behind `/api/`. */
const executorCalls = ["registry", "registryRemove", "callback"] as const;
/** What programs call there, from 3.5 on. */
export const jobMethods = ["addJob", "updateJob", "removeJob", "startJob", "stopJob", "triggerJob"] as const;
export const adminMethods = [...executorCalls, ...jobMethods] as const;
export type JobMethod = (typeof jobMethods)[number];
export type AdminMethod = (typeof adminMethods)[number];

const good = <T>(value: T): Parsed<T> => ({ ok: true, value });
const bad = (fault: string): { readonly ok: false; readonly fault: string } => ({ ok: false, fault });

export interface Registration {
  /** The executor's group, which Java calls appname. */
  readonly group: string;
  readonly address: string;
}

export function parseRegistration(body: string): Parsed<Registration> {
  const fields = parseJson(body);
  if (!isRecord(fields)) return bad("expected a JSON object, found something else");
  const { registryKey, registryValue, registryGroup } = fields;
  if (registryGroup !== "EXECUTOR") return bad('registryGroup: expected "EXECUTOR"');
  if (typeof registryKey !== "string" || registryKey.trim() === "") return bad("registryKey: expected an appname");
  if (typeof registryValue !== "string" || registryValue.trim() === "")
    return bad("registryValue: expected an address");
  return good({ group: registryKey, address: registryValue });
}

export interface Callback {
  readonly logId: number;
  /** 200 done, 500 failed, 502 timed out; above 0. */
  readonly code: number;
  readonly message: string;
}

/** An array (2.3 to 3.4), `{ callbackList }` (3.5), with the result flat or (2.2) in `executeResult`. */
export function parseCallbacks(body: string): Parsed<readonly Callback[]> {
  const value = parseJson(body);
  const items = Array.isArray(value) ? value : isRecord(value) ? value["callbackList"] : undefined;
  if (!Array.isArray(items)) return bad("expected a JSON array of callbacks, or an object with callbackList");
  const callbacks: Callback[] = [];
  for (const [at, item] of items.entries()) {
    const callback = parseCallback(item);
    if (callback === undefined) return bad(`callback ${at}: expected logId, and handleCode above 0`);
    callbacks.push(callback);
  }
  return good(callbacks);
}

function parseCallback(item: unknown): Callback | undefined {
  if (!isRecord(item)) return undefined;
  const nested = isRecord(item["executeResult"]) ? item["executeResult"] : {};
  const logId = Number(item["logId"]);
  const code = Number(item["handleCode"] ?? nested["code"]);
  const message = item["handleMsg"] ?? nested["msg"] ?? "";
  if (!Number.isSafeInteger(logId) || logId < 1 || !Number.isInteger(code) || code <= 0) return undefined;
  return { logId, code, message: typeof message === "string" ? message : JSON.stringify(message) };
}

// ── To executors ───────────────────────────────────────────────────────────────────────────────────────────────────

export interface Trigger {
  readonly jobId: number;
  readonly logId: number;
  readonly logDateTime: number;
  /** Empty for a script. */
  readonly handler: string;
  readonly script: StampedScript | null;
  readonly param: string;
  readonly blockStrategy: string;
  readonly timeoutSeconds: number;
  readonly shardIndex: number;
  readonly shardTotal: number;
  /** For our own executors; Java's parser ignores what it does not know. */
  readonly executionId: string;
  readonly attempt: number;
}

export function triggerBody(trigger: Trigger): string {
  return JSON.stringify({
    jobId: trigger.jobId,
    executorHandler: trigger.handler,
    executorParams: trigger.param,
    executorBlockStrategy: trigger.blockStrategy,
    executorTimeout: trigger.timeoutSeconds,
    logId: trigger.logId,
    logDateTime: trigger.logDateTime,
    glueType: trigger.script?.type ?? "BEAN",
    glueSource: trigger.script?.source ?? "",
    glueUpdatetime: trigger.script?.updatedAt ?? 0,
    broadcastIndex: trigger.shardIndex,
    broadcastTotal: trigger.shardTotal,
    makegoodExecution: trigger.executionId,
    makegoodAttempt: trigger.attempt,
  });
}

export const jobIdBody = (jobId: number): string => JSON.stringify({ jobId });

/** Both spellings of the time: each generation reads its own. */
export function logQueryBody(logId: number, fromLine: number, logDateTime: number): string {
  return JSON.stringify({ logId, fromLineNum: fromLine, logDateTim: logDateTime, logDateTime });
}

export interface LogPage {
  readonly fromLine: number;
  readonly lines: readonly string[];
  /** False: the executor has no file of this run; nothing was started, or it was cleaned up. */
  readonly exists: boolean;
}

/** Null for what is no page. Where nothing is new, some say line 0 and some the last line there is. */
export function parseLogPage(text: string): LogPage | null {
  const answer = parseJson(text);
  const page = isRecord(answer) && answer["code"] === 200 ? (answer["data"] ?? answer["content"]) : undefined;
  if (!isRecord(page)) return null;
  const { fromLineNum, toLineNum, logContent, isEnd } = page;
  if (typeof fromLineNum !== "number" || typeof toLineNum !== "number") return null;
  const count = Math.max(0, toLineNum - fromLineNum + 1);
  const lines = typeof logContent === "string" ? logContent.split(/\r?\n/) : [];
  return { fromLine: fromLineNum, lines: lines.slice(0, count), exists: isEnd !== true };
}

/** What an executor answers to a method that its generation does not have. Nothing was done. */
export const isUnknownMethod = (message: string): boolean => /mapping|uri/i.test(message) && /not found/i.test(message);
