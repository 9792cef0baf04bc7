export { type PrismaOptions, type PrismaTransaction, prisma } from "./participant/adapters/prisma.ts";
