// What the executor answers to its admin. Knows no server: a request is a method, a path, headers and a body of text, and an
// answer is a body of text, always with HTTP status 200, as the admin's client wants it.
import { hash, timingSafeEqual } from "node:crypto";
import type { Log } from "../../core/ports.ts";
import { withBody } from "../../protocol/xxl-job/fields.ts";
import { parseJobId, parseLogRequest, parseTrigger } from "../../protocol/xxl-job/requests.ts";
import {
  type Answer,
  appnameHeader,
  type ExecutorMethod,
  executorMethods,
  failure,
  ok,
  payload,
  tokenHeader,
} from "../../protocol/xxl-job/wire.ts";
import type { Lanes } from "./lanes.ts";
import type { Records } from "./records.ts";
import { missingPage, type RunLogs } from "./run-logs.ts";

export interface EndpointTools {
  readonly lanes: Lanes;
  readonly records: Records;
  readonly logs: RunLogs;
  readonly appname: string;
  readonly accessToken: string;
  /** What stands in front of a method's name: `/`, or the path of the address, with slashes around it. */
  readonly basePath: string;
  readonly maxBodyBytes: number;
  readonly log: Log;
}

export interface EndpointRequest {
  readonly method: string;
  /** Path and query, as they came. */
  readonly url: string;
  header(name: string): string | null;
  /** Null when it is larger than allowed. Not asked for before the token was found right. */
  body(): Promise<string | null>;
}

export class Endpoint {
  readonly #tools: EndpointTools;

  constructor(tools: EndpointTools) {
    this.#tools = tools;
  }

  /** Never rejects: what goes wrong is an answer with code 500. */
  async answer(request: EndpointRequest): Promise<string> {
    try {
      return JSON.stringify(await this.#judge(request));
    } catch (error) {
      this.#tools.log.error({ err: error, url: request.url.slice(0, 200) }, "a request of the XXL-JOB admin failed");
      return JSON.stringify(failure("the executor failed on this request; its log says why"));
    }
  }

  async #judge(request: EndpointRequest): Promise<Answer> {
    if (request.method !== "POST") return failure("invalid request, expected HTTP method POST");
    const method = this.#methodOf(request.url);
    if (method === null) return failure(`invalid request, uri-mapping(${request.url.slice(0, 200)}) not found`);
    const refusal = this.#refusal(request, method);
    if (refusal !== null) return failure(refusal);
    const body = await request.body();
    if (body === null) return failure(`the body is larger than ${this.#tools.maxBodyBytes} bytes`);
    return this.#carryOut(method, body);
  }

  /** An exact match, as the admin's own executors make it. Where another server has taken the base path off, without it. */
  #methodOf(url: string): ExecutorMethod | null {
    const { basePath } = this.#tools;
    const path = url.startsWith(basePath) ? url.slice(basePath.length) : url.replace(/^\//, "");
    return executorMethods.find((it) => it === path) ?? null;
  }

  #refusal(request: EndpointRequest, method: ExecutorMethod): string | null {
    const { accessToken, appname } = this.#tools;
    if (accessToken !== "" && !isSameSecret(request.header(tokenHeader) ?? "", accessToken))
      return "the access token is wrong";
    const given = request.header(appnameHeader);
    // Admins up to 3.4 send none; those that trigger by `/trigger` always do.
    if (given === null ? method === "trigger" : given !== appname)
      return `the header ${appnameHeader} is wrong: expected the appname of this executor`;
    return null;
  }

  async #carryOut(method: ExecutorMethod, body: string): Promise<Answer> {
    const { lanes } = this.#tools;
    switch (method) {
      case "beat":
        return ok;
      case "idleBeat":
        return withBody(parseJobId(body), (jobId) =>
          lanes.isBusy(jobId) ? failure("the job is running or has triggers in its queue") : ok,
        );
      case "run":
      case "trigger":
        return withBody(parseTrigger(body), (trigger) => lanes.accept(trigger, method === "trigger"));
      case "kill":
        return withBody(parseJobId(body), (jobId) => lanes.kill(jobId));
      case "log":
        return withBody(parseLogRequest(body), ({ logId, fromLineNum }) => this.#log(logId, fromLineNum));
    }
  }

  async #log(logId: number, fromLineNum: number): Promise<Answer> {
    const { records, logs } = this.#tools;
    const row = records.find(logId);
    return payload(row === undefined ? missingPage(logId, fromLineNum) : await logs.read(row, fromLineNum));
  }
}

/** In a time that says nothing of where they differ, nor of their lengths. */
function isSameSecret(given: string, expected: string): boolean {
  return timingSafeEqual(hash("sha256", given, "buffer"), hash("sha256", expected, "buffer"));
}
