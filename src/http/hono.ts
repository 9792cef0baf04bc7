import type { Awaitable } from "../core/participant.ts";
import { createExchange, type IdempotencyKeyOptions, type KeyedRequest } from "./exchange.ts";
import type { CapturedResponse, HeaderPair, PlainResponse } from "./response.ts";
import { rememberRun } from "./run-of.ts";

/** The part of Hono's context that is used. */
export interface HonoContextLike {
  readonly req: {
    readonly method: string;
    readonly url: string;
    readonly raw: object;
    header(name: string): string | undefined;
    arrayBuffer(): Promise<ArrayBuffer>;
  };
  res: Response;
}

/**
 * Middleware for Hono: `app.post("/payments", idempotencyKeyHono({ on: orders, scope }), handler)`. Mount it behind
 * authentication. A response is held back until it is recorded; server-sent events are not stored.
 *
 * @throws OPTION_INVALID
 */
export function idempotencyKeyHono<Context extends HonoContextLike>(
  options: IdempotencyKeyOptions<Context>,
): (c: Context, next: () => Promise<void>) => Promise<Response | undefined> {
  const exchange = createExchange(options);
  return async (c, next) => {
    const begun = await exchange.begin(keyedRequest(c, options));
    if (begun.kind === "answer") return responseOf(begun.response);
    if (begun.kind === "run") rememberRun(c.req.raw, begun.run);
    await next();
    if (begun.kind === "pass") return undefined;
    const instead = await begun.finish(await capture(c.res, exchange.maxBodyBytes));
    if (instead !== null) {
      // Hono merges the headers of the response that stands there into the next one.
      c.res = undefined as never;
      c.res = responseOf(instead);
    }
    return undefined;
  };
}

function keyedRequest<Context extends HonoContextLike>(
  c: Context,
  options: IdempotencyKeyOptions<Context>,
): KeyedRequest {
  const { scope, fingerprint } = options;
  const { pathname, search } = new URL(c.req.url);
  return {
    method: c.req.method,
    path: pathname + search,
    key: c.req.header("idempotency-key"),
    scope: (): Awaitable<string> => scope(c),
    // Hono keeps what was read for the handler.
    body: async () => new Uint8Array(await c.req.arrayBuffer()),
    fingerprint: fingerprint && (() => fingerprint(c)),
  };
}

const withoutBody = new Set([204, 205, 304]);

function responseOf({ status, headers, body }: PlainResponse): Response {
  const list = new Headers();
  for (const [name, value] of headers) list.append(name, value);
  return new Response(withoutBody.has(status) ? null : (body as Uint8Array<ArrayBuffer> | null), {
    status,
    headers: list,
  });
}

async function capture(response: Response, maxBytes: number): Promise<CapturedResponse> {
  const headers = [...response.headers] as HeaderPair[];
  return { status: response.status, headers, body: await readUpTo(response, maxBytes) };
}

/** Of a copy: the original is sent. */
async function readUpTo(response: Response, maxBytes: number): Promise<Uint8Array | null | "unstored"> {
  if (response.body === null) return null;
  if (response.headers.get("content-type")?.startsWith("text/event-stream")) return "unstored";
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  const reader = (response.clone().body as ReadableStream<Uint8Array>).getReader();
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return Buffer.concat(chunks);
    bytes += value.length;
    if (bytes > maxBytes) {
      // Not awaited: a copy's end waits for the original's.
      reader.cancel().catch(() => undefined);
      return "unstored";
    }
    chunks.push(value);
  }
}
