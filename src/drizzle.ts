export { type DrizzleTransaction, drizzle } from "./participant/adapters/drizzle.ts";
