// The endpoint behind Node's servers and behind the Fetch API.
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { contentType } from "../../protocol/xxl-job/wire.ts";
import type { Endpoint, EndpointRequest } from "./endpoint.ts";

/** Takes Express's and Connect's `(request, response)`, and Node's own. */
export type NodeHandler = (request: IncomingMessage, response: ServerResponse) => void;

const headers = {
  "content-type": contentType,
  "x-content-type-options": "nosniff",
  "cache-control": "no-store",
} as const;

export function nodeHandler(answer: Endpoint["answer"], maxBodyBytes: number): NodeHandler {
  return (request, response) => {
    answer(fromNode(request, maxBodyBytes))
      .then((body) => sendNode(request, response, body))
      .catch(() => response.destroy());
  };
}

/** A request that a body parser has read is taken as it left it. */
function fromNode(request: IncomingMessage & { readonly body?: unknown }, maxBodyBytes: number): EndpointRequest {
  return {
    method: request.method ?? "",
    url: request.url ?? "",
    // A header that came twice is joined, and equals nothing.
    header: (name) => request.headers[name]?.toString() ?? null,
    body: async () => {
      if (request.readableEnded) return textOfParsed(request.body);
      return readAll(request, maxBodyBytes);
    },
  };
}

function sendNode(request: IncomingMessage, response: ServerResponse, body: string): void {
  if (response.destroyed || response.headersSent) return;
  const length = Buffer.byteLength(body);
  // What was not read is read and dropped, so that the answer is whole before the connection closes: Java's client repeats a
  // request whose connection closed without one.
  const isUnread = !request.readableEnded;
  if (isUnread) request.resume();
  response
    .writeHead(200, { ...headers, "content-length": length, ...(isUnread ? { connection: "close" } : {}) })
    .end(body);
}

export function fetchHandler(
  answer: Endpoint["answer"],
  maxBodyBytes: number,
): (request: Request) => Promise<Response> {
  return async (request) => {
    const { pathname, search } = new URL(request.url);
    const body = await answer({
      method: request.method,
      url: `${pathname}${search}`,
      header: (name) => request.headers.get(name),
      body: async () => (request.body === null ? "" : readAll(request.body, maxBodyBytes)),
    });
    return new Response(body, {
      status: 200,
      headers: { ...headers, "content-length": String(Buffer.byteLength(body)) },
    });
  };
}

/** Null when there is more than allowed; the rest is dropped as it comes. */
async function readAll(chunks: AsyncIterable<Uint8Array>, maxBytes: number): Promise<string | null> {
  const kept: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of chunks) {
    bytes += chunk.length;
    if (bytes <= maxBytes) kept.push(chunk);
    else kept.length = 0;
  }
  return bytes > maxBytes ? null : Buffer.concat(kept).toString("utf8");
}

function textOfParsed(body: unknown): string {
  if (typeof body === "string") return body;
  if (Buffer.isBuffer(body)) return body.toString("utf8");
  return body === undefined || body === null ? "" : JSON.stringify(body);
}

/**
 * Java's client keeps idle connections, and repeats a request that meets one just closed: they are kept for as long as its
 * own executors keep them.
 */
const keepAliveMs = 90_000;
const headersMs = 10_000;
const requestMs = 30_000;
const maxConnections = 1_000;
const maxHeaderBytes = 16_384;

export function createNodeServer(handle: NodeHandler): Server {
  const server = createServer(
    {
      keepAliveTimeout: keepAliveMs,
      headersTimeout: headersMs,
      requestTimeout: requestMs,
      maxHeaderSize: maxHeaderBytes,
    },
    handle,
  );
  server.maxConnections = maxConnections;
  return server;
}
