// An XXL-JOB admin as far as an executor can see it, written from the protocol's description: what it checks, what it
// answers, and in which words of which generation. It schedules nothing; tests trigger by raw bytes.
import { createServer, type IncomingMessage } from "node:http";
import type { AddressInfo } from "node:net";

/** 2.3 to 3.2 answer `content`, 3.3 to 3.4 `data`; 3.5 checks a second header and takes callbacks as an object. */
export type Generation = "2.3" | "3.3" | "3.5";

export interface Registration {
  readonly registryGroup: string;
  readonly registryKey: string;
  readonly registryValue: string;
}
export interface Callback {
  readonly logId: number;
  readonly logDateTim: number;
  readonly logDateTime: number;
  readonly handleCode: number;
  readonly handleMsg: string;
}

export interface FakeAdmin {
  /** As an executor is configured with it. */
  readonly url: string;
  readonly registered: readonly Registration[];
  readonly removed: readonly Registration[];
  /** Those taken, in order; refused ones are not. */
  readonly callbacks: readonly Callback[];
  /** How many callback requests came in, taken or not. */
  readonly callbackRequestCount: number;
  /** What it does with requests from now on. `lose`: takes it, and closes the connection without an answer. */
  behave(as: "well" | "refuse" | "break" | "lose" | "garble"): void;
  close(): Promise<void>;
}

export interface FakeAdminOptions {
  readonly generation?: Generation;
  readonly token?: string;
  readonly appname?: string;
  readonly port?: number;
}

export async function startFakeAdmin(options: FakeAdminOptions = {}): Promise<FakeAdmin> {
  const { generation = "2.3", token = "secret", appname = "demo", port = 0 } = options;
  const root = generation === "3.5" ? "" : "/xxl-job-admin";
  const registered: Registration[] = [];
  const removed: Registration[] = [];
  const callbacks: Callback[] = [];
  let callbackRequestCount = 0;
  let behavior: Parameters<FakeAdmin["behave"]>[0] = "well";

  const success = () =>
    generation === "2.3"
      ? { code: 200, msg: null, content: null }
      : { code: 200, msg: "Success", data: null, success: true };
  const failure = (msg: string) =>
    generation === "2.3" ? { code: 500, msg, content: null } : { code: 500, msg, data: null, success: false };

  const judge = (request: IncomingMessage, body: string): object => {
    if (request.method !== "POST") return failure("invalid request, HttpMethod not support.");
    if (!/^application\/json;charset=utf-8$/i.test(request.headers["content-type"] ?? ""))
      return failure(`content type ${request.headers["content-type"]}`);
    const isKnown = generation !== "3.5" || request.headers["xxl-job-appname"] === appname;
    if (request.headers["xxl-job-access-token"] !== token || !isKnown)
      return failure("The access token or appname is wrong.");
    if (behavior === "refuse") return failure("not now");
    const method = (request.url ?? "").replace(`${root}/api/`, "");
    const value: unknown = JSON.parse(body);
    if (method === "registry") registered.push(value as Registration);
    else if (method === "registryRemove") removed.push(value as Registration);
    else if (method === "callback") callbacks.push(...itemsOf(generation, value));
    else return failure(`invalid request, uri-mapping(${method}) not found.`);
    return success();
  };

  const server = createServer((request, response) => {
    let body = "";
    request.setEncoding("utf8").on("data", (chunk: string) => {
      body += chunk;
    });
    request.on("end", () => {
      if (request.url?.endsWith("/callback") === true) callbackRequestCount++;
      if (behavior === "break")
        return response.writeHead(502, { "content-type": "text/html" }).end("<h1>Bad Gateway</h1>");
      if (behavior === "garble")
        return response.writeHead(200, { "content-type": "text/html" }).end("<html>login</html>");
      let answer: object;
      try {
        answer = judge(request, body);
      } catch (error) {
        answer = failure(`openapi invoke error: ${error}`);
      }
      if (behavior === "lose") return request.socket.destroy();
      // Jackson writes nulls, and the type of the answer is not to be trusted.
      return response.writeHead(200, { "content-type": "text/html;charset=UTF-8" }).end(JSON.stringify(answer));
    });
  });
  await new Promise<void>((resolve) => server.listen(port, "127.0.0.1", resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}${root}`,
    registered,
    removed,
    callbacks,
    get callbackRequestCount() {
      return callbackRequestCount;
    },
    behave: (as) => {
      behavior = as;
    },
    close: () => {
      server.closeAllConnections();
      return new Promise((resolve) => server.close(() => resolve()));
    },
  };
}

/** Each generation throws on the other's form, as its parser does. */
function itemsOf(generation: Generation, value: unknown): readonly Callback[] {
  const items = generation === "3.5" ? (value as { readonly callbackList?: unknown }).callbackList : value;
  if (!Array.isArray(items)) throw new SyntaxError(`expected the callbacks of ${generation}, found something else`);
  for (const item of items)
    if (!(item.logId > 0 && item.handleCode > 0)) throw new SyntaxError("expected logId and handleCode");
  return items;
}
