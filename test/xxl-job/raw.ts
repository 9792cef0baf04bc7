// What a Java admin of each generation puts on the wire, byte by byte, over a plain socket.
import { connect } from "node:net";
import type { Generation } from "./fake-admin.ts";

export interface RawAnswer {
  readonly status: number;
  readonly headers: string;
  /** Parsed. */
  readonly body: {
    readonly code: number;
    readonly msg?: string;
    readonly content?: unknown;
    readonly data?: unknown;
  };
}

/** Sends the bytes and reads the first answer; the connection is left open, as Java's client leaves it, and then dropped. */
export function sendRaw(port: number, bytes: string): Promise<RawAnswer> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, "127.0.0.1", () => socket.write(bytes));
    let received: Buffer = Buffer.alloc(0);
    const judge = (isOver: boolean): void => {
      const bodyAt = received.indexOf("\r\n\r\n") + 4;
      const headers = received.subarray(0, Math.max(0, bodyAt)).toString();
      const length = Number(/content-length: (\d+)/i.exec(headers)?.[1] ?? Number.NaN);
      if (bodyAt < 4 || !(received.length >= bodyAt + length)) {
        if (isOver) reject(new Error(`expected a whole answer, found ${JSON.stringify(received.toString())}`));
        return;
      }
      socket.destroy();
      const body = received.subarray(bodyAt, bodyAt + length).toString();
      resolve({ status: Number(headers.split(" ")[1]), headers, body: JSON.parse(body) });
    };
    socket.on("data", (chunk: Buffer) => {
      received = Buffer.concat([received, chunk]);
      judge(false);
    });
    socket.on("error", reject).on("end", () => judge(true));
  });
}

export interface Caller {
  readonly generation: Generation;
  readonly token?: string | null;
  readonly appname?: string | null;
}

const agents: Readonly<Record<Generation, string>> = {
  "2.3": "Java/1.8.0_392",
  "3.3": "Java/17.0.9",
  "3.5": "Java/17.0.9",
};

/** A call as `HttpURLConnection` writes it. `body` null: none, and no Content-Length, as `beat` from 3.3 on. */
export function javaRequest(caller: Caller, path: string, body: string | null): string {
  const { generation, token = "secret", appname = "demo" } = caller;
  const lines = [
    `POST ${path} HTTP/1.1`,
    ...(generation === "2.3" ? ["connection: Keep-Alive"] : []),
    "Content-Type: application/json;charset=UTF-8",
    "Accept-Charset: application/json;charset=UTF-8",
    ...(token === null ? [] : [`XXL-JOB-ACCESS-TOKEN: ${token}`]),
    ...(generation !== "3.5" || appname === null ? [] : [`XXL-JOB-APPNAME: ${appname}`]),
    `User-Agent: ${agents[generation]}`,
    "Host: 127.0.0.1",
    "Accept: text/html, image/gif, image/jpeg, *; q=.2, */*; q=.2",
    ...(generation === "2.3" ? [] : ["Connection: keep-alive"]),
    ...(body === null ? [] : [`Content-Length: ${Buffer.byteLength(body)}`]),
  ];
  return `${lines.join("\r\n")}\r\n\r\n${body ?? ""}`;
}

/** 2.3 to 3.2 send a JSON string of nothing; from 3.3 on there is no body at all. */
export const beatBody = (generation: Generation): string | null => (generation === "2.3" ? '""' : null);
export const triggerPath = (generation: Generation): string => (generation === "3.5" ? "/trigger" : "/run");
/** The time of a log query has two spellings. */
export const logQuery = (generation: Generation, logId: number, fromLineNum: number): string =>
  JSON.stringify({ [generation === "3.5" ? "logDateTime" : "logDateTim"]: 1_790_000_000_000, logId, fromLineNum });

export interface TriggerFields {
  readonly logId: number;
  readonly jobId?: number;
  readonly executorHandler?: string;
  readonly executorParams?: string;
  readonly executorBlockStrategy?: string;
  readonly executorTimeout?: number;
  readonly logDateTime?: number;
  readonly glueType?: string;
  readonly glueSource?: string;
  readonly broadcastIndex?: number;
  readonly broadcastTotal?: number;
}

/** Every field, in the order in which the admin has them. */
export function triggerBody(fields: TriggerFields): string {
  return JSON.stringify({
    jobId: 1,
    executorHandler: "echo",
    executorParams: "",
    executorBlockStrategy: "SERIAL_EXECUTION",
    executorTimeout: 0,
    logDateTime: 1_790_000_000_123,
    glueType: "BEAN",
    glueSource: "",
    glueUpdatetime: 1_541_254_891_000,
    broadcastIndex: 0,
    broadcastTotal: 1,
    ...fields,
  });
}
