export type { IdempotencyKeyOptions } from "./http/exchange.ts";
export {
  type ExpressMiddleware,
  type ExpressRequest,
  idempotencyKeyExpress,
  idempotencyKeyNest,
} from "./http/express.ts";
export {
  type FastifyLike,
  type FastifyReplyLike,
  type FastifyRequestLike,
  idempotencyKeyFastify,
} from "./http/fastify.ts";
export { type HonoContextLike, idempotencyKeyHono } from "./http/hono.ts";
export type { NodeResponse } from "./http/node-response.ts";
export { idempotentRunOf } from "./http/run-of.ts";
