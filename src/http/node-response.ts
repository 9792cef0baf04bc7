// Holds a response of node:http back until it is recorded. Up to a size it waits in memory; what is larger, and so not
// replayable, streams through, and only its end waits.
import { type CapturedResponse, headerPairs, type PlainResponse } from "./response.ts";

/** The part of `ServerResponse` that is used. */
export interface NodeResponse {
  statusCode: number;
  readonly headersSent: boolean;
  getHeaders(): Readonly<Record<string, unknown>>;
  getHeaderNames(): readonly string[];
  setHeader(name: string, value: number | string | readonly string[]): unknown;
  removeHeader(name: string): void;
  writeHead(...parameters: never[]): unknown;
  flushHeaders(): void;
  write(...parameters: never[]): boolean;
  end(...parameters: never[]): unknown;
}

type Finish = (captured: CapturedResponse) => Promise<PlainResponse | null>;
type AnyMethod = (...parameters: unknown[]) => unknown;
type Heading = Readonly<Record<string, string | readonly string[]>> | readonly string[];

export function sendPlain(res: NodeResponse, { status, headers, body }: PlainResponse): void {
  res.statusCode = status;
  for (const [name, value] of headers) res.setHeader(name, value);
  (res.end as AnyMethod).call(res, ...(body === null ? [] : [Buffer.from(body)]));
}

export function holdResponse(res: NodeResponse, maxBytes: number, finish: Finish): void {
  const original = {
    write: res.write as AnyMethod,
    end: res.end as AnyMethod,
    writeHead: res.writeHead as AnyMethod,
    flushHeaders: res.flushHeaders as AnyMethod,
  };
  const chunks: Buffer[] = [];
  let bytes = 0;
  let isStreaming = false;
  let isEnded = false;

  const letGo = (): void => {
    Object.assign(res, original);
    Reflect.deleteProperty(res, "headersSent");
  };
  /** From here on the client sees what is written. */
  const stream = (): void => {
    isStreaming = true;
    Object.assign(res, { writeHead: original.writeHead, flushHeaders: original.flushHeaders });
    Reflect.deleteProperty(res, "headersSent");
    if (chunks.length > 0) original.write.call(res, Buffer.concat(chunks.splice(0)));
  };
  /** Frameworks ask before they replace a response that has begun. */
  const seemSent = (): void => {
    Object.defineProperty(res, "headersSent", { value: true, configurable: true });
  };
  const take = (chunk: unknown, encoding: unknown): void => {
    const buffer = bufferOf(chunk, encoding);
    bytes += buffer.length;
    chunks.push(buffer);
    if (bytes > maxBytes && !isStreaming) stream();
  };

  const writeHead: AnyMethod = (status, ...rest) => {
    if (typeof status === "number") res.statusCode = status;
    setAll(res, rest.find((part) => typeof part === "object" && part !== null) as Heading | undefined);
    seemSent();
    return res;
  };
  const write: AnyMethod = (chunk, ...rest) => {
    const [encoding, done] = argumentsOf(rest);
    if (isStreaming) return original.write.call(res, chunk, ...rest);
    seemSent();
    take(chunk, encoding);
    if (done !== undefined) queueMicrotask(done);
    return true;
  };
  const end: AnyMethod = (...parameters) => {
    if (isEnded) return res;
    isEnded = true;
    const [chunk, encoding, done] = endArguments(parameters);
    if (chunk !== undefined && isStreaming) original.write.call(res, bufferOf(chunk, encoding));
    else if (chunk !== undefined) take(chunk, encoding);
    void conclude(done);
    return res;
  };
  const conclude = async (done: (() => void) | undefined): Promise<void> => {
    const body = isStreaming ? "unstored" : bytes === 0 ? null : Buffer.concat(chunks);
    const instead = await finish({ status: res.statusCode, headers: headerPairs(res.getHeaders()), body });
    letGo();
    if (instead !== null && !isStreaming) {
      for (const name of res.getHeaderNames()) res.removeHeader(name);
      return sendPlain(res, instead);
    }
    const last = isStreaming || body === null ? [] : [body];
    original.end.call(res, ...last, ...(done === undefined ? [] : [done]));
  };
  Object.assign(res, { writeHead, flushHeaders: seemSent, write, end });
}

type Done = () => void;

const argumentsOf = (rest: readonly unknown[]): readonly [encoding: unknown, done: Done | undefined] => {
  const done = rest.find((part) => typeof part === "function") as Done | undefined;
  return [typeof rest[0] === "string" ? rest[0] : undefined, done];
};

function endArguments(
  parameters: readonly unknown[],
): readonly [chunk: unknown, encoding: unknown, done: Done | undefined] {
  const [first, ...rest] = parameters;
  if (typeof first === "function") return [undefined, undefined, first as Done];
  const [encoding, done] = argumentsOf(rest);
  return [first ?? undefined, encoding, done];
}

function bufferOf(chunk: unknown, encoding: unknown): Buffer {
  if (typeof chunk === "string") return Buffer.from(chunk, (encoding as BufferEncoding | undefined) ?? "utf8");
  return Buffer.from(chunk as Uint8Array);
}

function setAll(res: NodeResponse, headers: Heading | undefined): void {
  if (headers === undefined) return;
  if (!Array.isArray(headers)) {
    for (const [name, value] of Object.entries(headers)) res.setHeader(name, value);
    return;
  }
  for (let at = 0; at + 1 < headers.length; at += 2) res.setHeader(headers[at] as string, headers[at + 1] as string);
}
