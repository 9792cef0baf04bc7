import type { Awaitable } from "../core/participant.ts";
import { type Begun, createExchange, type IdempotencyKeyOptions, type KeyedRequest, unreadBody } from "./exchange.ts";
import { headerPairs, type PlainResponse } from "./response.ts";
import { rememberRun } from "./run-of.ts";

/** The part of Fastify's request that is used. */
export interface FastifyRequestLike {
  readonly method: string;
  readonly url: string;
  readonly headers: Readonly<Record<string, string | readonly string[] | undefined>>;
  readonly body: unknown;
}

/** The part of Fastify's reply that is used. */
export interface FastifyReplyLike {
  readonly statusCode: number;
  code(status: number): unknown;
  header(name: string, value: string): unknown;
  removeHeader(name: string): unknown;
  getHeaders(): Readonly<Record<string, unknown>>;
  send(payload?: unknown): unknown;
}

/** The part of a Fastify instance that is used; its hooks' types are Fastify's own. */
export interface FastifyLike {
  readonly addHook: (name: never, hook: never) => unknown;
}

type Running = Extract<Begun, { kind: "run" }>;

/**
 * Plugin for Fastify: `await app.register(idempotencyKeyFastify({ on: orders, scope }))`, for the routes that are declared
 * where it is registered; within `app.register(async (child) => …)` for those in there. A reply is held back until it
 * is recorded; one that is a stream is not stored. The same in NestJS on Fastify, before its `listen`.
 *
 * @throws OPTION_INVALID
 */
export function idempotencyKeyFastify<Request extends FastifyRequestLike>(
  options: IdempotencyKeyOptions<Request>,
): (instance: FastifyLike) => Promise<void> {
  const exchange = createExchange(options);
  const running = new WeakMap<object, Running>();

  const preHandler = async (request: Request, reply: FastifyReplyLike): Promise<unknown> => {
    const begun = await exchange.begin(keyedRequest(request, options));
    if (begun.kind === "answer") {
      const { body } = prepare(reply, begun.response);
      return reply.send(body);
    }
    if (begun.kind === "run") {
      running.set(request, begun);
      rememberRun(request, begun.run);
    }
    return undefined;
  };
  const onSend = async (request: Request, reply: FastifyReplyLike, payload: unknown): Promise<unknown> => {
    const begun = running.get(request);
    if (begun === undefined) return payload;
    running.delete(request);
    const { statusCode: status } = reply;
    const instead = await begun.finish({ status, headers: headerPairs(reply.getHeaders()), body: bytesOf(payload) });
    if (instead === null) return payload;
    for (const name of Object.keys(reply.getHeaders())) reply.removeHeader(name);
    return prepare(reply, instead).body;
  };
  const plugin = async (instance: FastifyLike): Promise<void> => {
    instance.addHook("preHandler" as never, preHandler as never);
    instance.addHook("onSend" as never, onSend as never);
  };
  // As fastify-plugin does: the hooks count where the plugin is registered, not in a room of its own.
  return Object.assign(plugin, {
    [Symbol.for("skip-override")]: true,
    [Symbol.for("fastify.display-name")]: "makegood-idempotency-key",
  });
}

function prepare(
  reply: FastifyReplyLike,
  { status, headers, body }: PlainResponse,
): { readonly body: Buffer | undefined } {
  reply.code(status);
  for (const [name, value] of headers) reply.header(name, value);
  return { body: body === null ? undefined : Buffer.from(body) };
}

function bytesOf(payload: unknown): Uint8Array | null | "unstored" {
  if (payload === undefined || payload === null) return null;
  if (typeof payload === "string") return Buffer.from(payload);
  return payload instanceof Uint8Array ? payload : "unstored";
}

function keyedRequest<Request extends FastifyRequestLike>(
  request: Request,
  { scope, fingerprint }: IdempotencyKeyOptions<Request>,
): KeyedRequest {
  const header = request.headers["idempotency-key"];
  return {
    method: request.method,
    path: request.url,
    key: typeof header === "string" ? header : header?.join(", "),
    scope: (): Awaitable<string> => scope(request),
    // A stream, as of a parser for uploads, has been read by nobody.
    body: () => (isStream(request.body) ? unreadBody : request.body),
    fingerprint: fingerprint && (() => fingerprint(request)),
  };
}

const isStream = (body: unknown): boolean =>
  typeof body === "object" && body !== null && "pipe" in body && typeof body.pipe === "function";
