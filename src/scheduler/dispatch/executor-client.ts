// Speaks to executors over XXL-JOB's protocol, whatever generation they are of.
import type { ExecutorRow, ProtocolGeneration } from "../../core/executors.ts";
import {
  isUnknownMethod,
  jobIdBody,
  type LogPage,
  logQueryBody,
  parseLogPage,
  type Trigger,
  triggerBody,
} from "../../protocol/xxl-job/center.ts";
import { appnameHeader, contentType, parseAnswer, tokenHeader } from "../../protocol/xxl-job/wire.ts";

/** What is known of an executor when it is called. */
export type Callee = Pick<ExecutorRow, "group" | "address" | "generation">;

export type Said =
  | { readonly kind: "yes"; readonly message: string }
  /** It answered, and will not. */
  | { readonly kind: "no"; readonly message: string }
  /** Nobody is there: the call certainly did not arrive. */
  | { readonly kind: "absent"; readonly message: string }
  /** No answer: it may have arrived. */
  | { readonly kind: "silent"; readonly message: string };

export interface ExecutorClient {
  beat(callee: Callee): Promise<Said>;
  /** Yes: nothing of this job runs or waits there. */
  idleBeat(callee: Callee, jobId: number): Promise<Said>;
  trigger(callee: Callee, trigger: Trigger): Promise<Said>;
  kill(callee: Callee, jobId: number): Promise<Said>;
  /** Null: no answer, or none that could be read. */
  log(callee: Callee, query: { logId: number; fromLine: number; openedAt: number }): Promise<LogPage | null>;
}

export interface ClientOptions {
  /** Of a group, which it gets in each call; undefined for a group that this center does not know. */
  readonly tokenOf: (group: string) => string | undefined;
  readonly timeoutMs: number;
}

const maxAnswerBytes = 8 * 2 ** 20;
/** The connection was never made. */
const absentCodes = new Set([
  "ECONNREFUSED",
  "ENOTFOUND",
  "EAI_AGAIN",
  "EHOSTUNREACH",
  "ENETUNREACH",
  "UND_ERR_CONNECT_TIMEOUT",
]);

export function createExecutorClient({ tokenOf, timeoutMs }: ClientOptions): ExecutorClient {
  const post = async (callee: Callee, method: string, body: string | null): Promise<{ said: Said; text: string }> => {
    const token = tokenOf(callee.group);
    if (token === undefined)
      return answered({ kind: "no", message: `this center has no token for group ${callee.group}` });
    try {
      const response = await fetch(urlOf(callee.address, method), {
        method: "POST",
        body,
        // A redirect could carry the token to another host.
        redirect: "error",
        signal: AbortSignal.timeout(timeoutMs),
        headers: { "content-type": contentType, [tokenHeader]: token, [appnameHeader]: callee.group },
      });
      const text = await readText(response);
      const answer = parseAnswer(text);
      if (response.status !== 200 || answer === null)
        return answered({ kind: "silent", message: `answered HTTP ${response.status} and no JSON of an executor` });
      return { said: { kind: answer.code === 200 ? "yes" : "no", message: answer.msg }, text };
    } catch (error) {
      return answered(failureOf(error));
    }
  };
  const call = async (callee: Callee, method: string, body: string | null): Promise<Said> =>
    (await post(callee, method, body)).said;
  return {
    beat: (callee) => call(callee, "beat", null),
    idleBeat: (callee, jobId) => call(callee, "idleBeat", jobIdBody(jobId)),
    async trigger(callee, trigger) {
      const [method, other] = triggerMethods(callee.generation);
      const said = await call(callee, method, triggerBody(trigger));
      return said.kind === "no" && isUnknownMethod(said.message) ? call(callee, other, triggerBody(trigger)) : said;
    },
    kill: (callee, jobId) => call(callee, "kill", jobIdBody(jobId)),
    async log(callee, { logId, fromLine, openedAt }) {
      return parseLogPage((await post(callee, "log", logQueryBody(logId, fromLine, openedAt))).text);
    },
  };
}

const answered = (said: Said): { said: Said; text: string } => ({ said, text: "" });

/** The newest generation renamed it. An executor that does not know a method has done nothing. */
const triggerMethods = (generation: ProtocolGeneration | null): readonly [string, string] =>
  generation === 4 ? ["trigger", "run"] : ["run", "trigger"];

/** Exactly one slash before the method: executors compare the path as text. */
const urlOf = (address: string, method: string): string => `${address.replace(/\/+$/, "")}/${method}`;

async function readText(response: Response): Promise<string> {
  const parts: Uint8Array[] = [];
  let size = 0;
  for await (const part of response.body ?? []) {
    size += part.length;
    if (size > maxAnswerBytes) return "";
    parts.push(part);
  }
  return Buffer.concat(parts).toString("utf8");
}

function failureOf(error: unknown): Said {
  const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
  const message = cause instanceof Error ? cause.message : String(cause);
  const code = typeof cause === "object" && cause !== null && "code" in cause ? String(cause.code) : "";
  return { kind: absentCodes.has(code) ? "absent" : "silent", message };
}
