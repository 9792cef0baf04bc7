// For Express 4 and 5, NestJS on Express, and whatever else hands out the requests and responses of node:http.
import type { Awaitable } from "../core/participant.ts";
import { createExchange, type IdempotencyKeyOptions, type KeyedRequest, unreadBody } from "./exchange.ts";
import { holdResponse, type NodeResponse, sendPlain } from "./node-response.ts";
import { rememberRun } from "./run-of.ts";

/** The part of Express's request that is used. */
export interface ExpressRequest {
  readonly method: string;
  readonly originalUrl?: string;
  readonly url: string;
  readonly headers: Readonly<Record<string, string | readonly string[] | undefined>>;
  readonly body?: unknown;
}

export type ExpressMiddleware<Request, Response> = (
  req: Request,
  res: Response,
  next: (error?: unknown) => void,
) => void;

/**
 * Middleware for Express: `app.post("/payments", express.json(), idempotencyKeyExpress({ on: orders, scope }), handler)`.
 * Mount it behind authentication and behind the body's parser. A handler's response is held back until it is recorded.
 *
 * @throws OPTION_INVALID
 */
export function idempotencyKeyExpress<Request extends ExpressRequest, Response extends NodeResponse = NodeResponse>(
  options: IdempotencyKeyOptions<Request>,
): ExpressMiddleware<Request, Response> {
  const exchange = createExchange(options);
  const handle = async (req: Request, res: Response, next: () => void): Promise<void> => {
    const begun = await exchange.begin(keyedRequest(req, options));
    if (begun.kind === "answer") return sendPlain(res, begun.response);
    if (begun.kind === "run") {
      rememberRun(req, begun.run);
      holdResponse(res, exchange.maxBodyBytes, begun.finish);
    }
    next();
  };
  return (req, res, next) => void handle(req, res, next).catch(next);
}

/**
 * Middleware for NestJS on Express: `consumer.apply(idempotencyKeyNest({ on: orders, scope })).forRoutes("payments")`.
 * On Fastify register `idempotencyKeyFastify` with the application: what comes by middleware there has no body yet, and is
 * answered with 415, BODY_UNREAD.
 *
 * @throws OPTION_INVALID
 */
export function idempotencyKeyNest<Request extends ExpressRequest, Response extends NodeResponse = NodeResponse>(
  options: IdempotencyKeyOptions<Request>,
): ExpressMiddleware<Request, Response> {
  return idempotencyKeyExpress<Request, Response>(options);
}

function keyedRequest<Request extends ExpressRequest>(
  req: Request,
  options: IdempotencyKeyOptions<Request>,
): KeyedRequest {
  const { scope, fingerprint } = options;
  const header = req.headers["idempotency-key"];
  return {
    method: req.method,
    path: req.originalUrl ?? req.url,
    key: typeof header === "string" ? header : header?.join(", "),
    scope: (): Awaitable<string> => scope(req),
    body: () => (req.body === undefined && hasBody(req) ? unreadBody : req.body),
    fingerprint: fingerprint && (() => fingerprint(req)),
  };
}

function hasBody({ headers }: ExpressRequest): boolean {
  return headers["transfer-encoding"] !== undefined || Number(headers["content-length"] ?? 0) > 0;
}
