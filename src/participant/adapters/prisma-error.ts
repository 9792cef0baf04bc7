// Prisma keeps the database's own code in a corner of its errors: meta.driverAdapterError.cause.originalCode of those that
// its client throws, cause.originalCode of those that a driver adapter throws at BEGIN and COMMIT.

import { propertyOf } from "../../core/error-chain.ts";
import type { Dialect } from "../../core/store.ts";

/** Prisma's for anything about a transaction: it has ended, or lasted for too long. */
export const transactionError = "P2028";

/** An error with the database's code where the driver would have put it, or, where Prisma speaks by itself, without one. */
export function prismaError(dialect: Dialect, error: unknown): unknown {
  if (!isOfPrisma(error)) return error;
  const cause =
    propertyOf(propertyOf(propertyOf(error, "meta"), "driverAdapterError"), "cause") ?? propertyOf(error, "cause");
  const code = propertyOf(cause, "originalCode");
  const message = String(propertyOf(cause, "originalMessage") ?? propertyOf(error, "message"));
  const translated = new PrismaDatabaseError(message, { cause: error });
  if (typeof code !== "string") return translated;
  return Object.assign(translated, dialect === "mysql" ? { errno: Number(code) } : { code });
}

class PrismaDatabaseError extends Error {}

function isOfPrisma(error: unknown): boolean {
  if (!(error instanceof Error) || error instanceof PrismaDatabaseError) return false;
  return /^(PrismaClient|DriverAdapterError)/.test(error.name);
}
