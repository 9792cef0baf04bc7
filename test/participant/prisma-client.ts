// Prisma's client is generated: here for a schema with one table, once for each provider, into a folder of its own. That
// needs no engine; the variable keeps Prisma from fetching the one for migrations.
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { PrismaBetterSqlite3 } from "@prisma/adapter-better-sqlite3";
import { PrismaMariaDb } from "@prisma/adapter-mariadb";
import { PrismaPg } from "@prisma/adapter-pg";
import { afterAll, beforeAll } from "vitest";
import type { Dialect } from "../../src/core/store.ts";
import { type PrismaClientLike, prisma } from "../../src/participant/adapters/prisma.ts";
import type { ClientSettings, ServerClient } from "./server-client.ts";

const providers: Readonly<Record<Dialect, string>> = { postgres: "postgresql", mysql: "mysql", sqlite: "sqlite" };
/** The table has no key; Prisma wants one, and MySQL's column is of bytes. */
const noteTypes: Readonly<Record<Dialect, string>> = { postgres: "String", mysql: "Bytes", sqlite: "String" };

/** The part of the generated client and of its transactions that the tests use. */
export interface TestPrismaClient extends PrismaClientLike {
  $transaction<R>(body: (tx: TestPrismaTransaction) => Promise<R>, options?: object): Promise<R>;
  $connect(): Promise<void>;
  $disconnect(): Promise<void>;
}
export interface TestPrismaTransaction {
  $queryRawUnsafe(sql: string, ...parameters: readonly unknown[]): Promise<readonly Record<string, unknown>[]>;
  $executeRawUnsafe(sql: string, ...parameters: readonly unknown[]): Promise<number>;
  readonly effect: {
    create(request: { data: { note: unknown } }): Promise<unknown>;
    count(request: { where: { note: unknown } }): Promise<number>;
  };
}
type MakeClient = new (options: { adapter: object }) => TestPrismaClient;

/** Inside of a `describe`: the client of a dialect, generated before its tests. */
export function generatedPrisma(dialect: Dialect): () => GeneratedPrisma {
  let made: GeneratedPrisma | undefined;
  beforeAll(async () => {
    made = await generatePrisma(dialect);
  }, 60_000);
  afterAll(() => made?.remove());
  return () => {
    if (made === undefined) throw new Error("Expected to be called inside a test or hook.");
    return made;
  };
}

interface GeneratedPrisma {
  readonly PrismaClient: MakeClient;
  readonly remove: () => void;
}

async function generatePrisma(dialect: Dialect): Promise<GeneratedPrisma> {
  const folder = mkdtempSync(join(import.meta.dirname, ".prisma-"));
  const remove = (): void => rmSync(folder, { recursive: true, force: true });
  try {
    writeFileSync(join(folder, "schema.prisma"), schemaOf(dialect));
    const command = join(dirname(createRequire(import.meta.url).resolve("prisma/package.json")), "build/index.js");
    execFileSync(process.execPath, [command, "generate", "--schema", "schema.prisma"], {
      cwd: folder,
      stdio: "pipe",
      env: { ...process.env, PRISMA_SCHEMA_ENGINE_BINARY: process.execPath, CHECKPOINT_DISABLE: "1" },
    });
    const { PrismaClient } = (await import(join(folder, "out/client.ts"))) as { PrismaClient: MakeClient };
    return { PrismaClient, remove };
  } catch (error) {
    remove();
    throw error;
  }
}

const schemaOf = (dialect: Dialect): string => `
generator client {
  provider = "prisma-client"
  output   = "./out"
}
datasource db {
  provider = "${providers[dialect]}"
}
model effect {
  note ${noteTypes[dialect]} @id ${dialect === "mysql" ? "@db.VarBinary(1000)" : ""}
}
`;

export function openPrismaPg(
  { PrismaClient }: GeneratedPrisma,
  connectionString: string,
  { max = 10 }: ClientSettings = {},
): ServerClient<TestPrismaTransaction> {
  const client = new PrismaClient({ adapter: new PrismaPg({ connectionString, max }) });
  return { ...prismaParts(client), adapter: prisma(client, { dialect: "postgres" }) };
}

export function openPrismaMariadb(
  { PrismaClient }: GeneratedPrisma,
  url: string,
  { max = 10 }: ClientSettings = {},
): ServerClient<TestPrismaTransaction> {
  const { hostname: host, port, username: user, password, pathname } = new URL(url);
  const database = pathname.slice(1);
  const address = { host, port: Number(port), user, password, database, connectionLimit: max };
  const client = new PrismaClient({ adapter: new PrismaMariaDb(address) });
  const bytes = (note: string): Uint8Array => new TextEncoder().encode(note);
  return {
    ...prismaParts(client),
    adapter: prisma(client, { dialect: "mysql" }),
    insertEffect: async (tx, note) => void (await tx.effect.create({ data: { note: bytes(note) } })),
    countInside: async (tx, note) => tx.effect.count({ where: { note: bytes(note) } }),
  };
}

export function openPrismaSqlite({ PrismaClient }: GeneratedPrisma, path: string): ServerClient<TestPrismaTransaction> {
  const client = new PrismaClient({ adapter: new PrismaBetterSqlite3({ url: `file:${path}`, timeout: 0 }) });
  const adapter = prisma(client, { dialect: "sqlite", exclusive: true, durability: "ignore" });
  return { ...prismaParts(client), adapter };
}

const prismaParts = (client: TestPrismaClient) => ({
  insertEffect: async (tx: TestPrismaTransaction, note: string) => void (await tx.effect.create({ data: { note } })),
  countInside: async (tx: TestPrismaTransaction, note: string) => tx.effect.count({ where: { note } }),
  run: async (tx: TestPrismaTransaction, sql: string): Promise<unknown> => tx.$queryRawUnsafe(sql),
  byHand: <R>(body: (tx: TestPrismaTransaction) => Promise<R>) => client.$transaction(body),
  root: client,
  close: () => client.$disconnect(),
});
