import type { IdempotentRun } from "../participant/record/idempotent.ts";

const runs = new WeakMap<object, IdempotentRun>();

export function rememberRun(request: object, run: IdempotentRun): void {
  runs.set(request, run);
}

/**
 * The attempt of this request: the key for services downstream, fence, signal. `request` is Express's and NestJS's `req`,
 * Fastify's `request`, Hono's `c.req.raw`. Undefined where the request has no Idempotency-Key.
 */
export function idempotentRunOf(request: object): IdempotentRun | undefined {
  return runs.get(request);
}
