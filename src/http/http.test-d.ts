// Types that must keep working: each middleware fits its framework as it is, and `scope` is handed the framework's own
// request. Checked by tsc; never run.
import type { MiddlewareConsumer } from "@nestjs/common";
import type { NestFastifyApplication } from "@nestjs/platform-fastify";
import type { Express, Request, Response } from "express";
import type { FastifyInstance, FastifyRequest } from "fastify";
import type { Context, Hono } from "hono";
import type { Participant } from "../core/participant.ts";
import { idempotencyKeyExpress, idempotencyKeyNest } from "./express.ts";
import { idempotencyKeyFastify } from "./fastify.ts";
import { idempotencyKeyHono } from "./hono.ts";
import { idempotentRunOf } from "./run-of.ts";

declare const on: Participant<object, "async">;

export function useExpress(app: Express): void {
  app.use(idempotencyKeyExpress({ on, scope: (req) => String(req.headers["x-tenant"]) }));
  app.post(
    "/a",
    idempotencyKeyExpress<Request, Response>({ on, scope: (req) => req.get("x-tenant") ?? "" }),
    (req, res) => {
      res.json({ key: idempotentRunOf(req)?.key satisfies string | undefined });
    },
  );
  // @ts-expect-error without a scope one tenant could read another's answers
  idempotencyKeyExpress({ on });
}

export async function useFastify(app: FastifyInstance): Promise<void> {
  await app.register(idempotencyKeyFastify({ on, scope: (request: FastifyRequest) => request.hostname }));
  await app.register(idempotencyKeyFastify({ on, scope: async (request) => request.url }));
}

export async function useNestOnFastify(app: NestFastifyApplication): Promise<void> {
  await app.register(idempotencyKeyFastify({ on, scope: (request: FastifyRequest) => request.hostname }));
}

export function useHono(app: Hono<{ Variables: { tenant: string } }>): void {
  app.use(idempotencyKeyHono({ on, scope: (c) => c.req.header("x-tenant") ?? "" }));
  app.use(idempotencyKeyHono({ on, scope: (c: Context<{ Variables: { tenant: string } }>) => c.get("tenant") }));
}

export function useNest(consumer: MiddlewareConsumer): void {
  consumer.apply(idempotencyKeyNest({ on, scope: (req) => String(req.headers["x-tenant"]) })).forRoutes("payments");
}
