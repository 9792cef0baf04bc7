// PostgreSQL, where the engine's tables live in the user's own database: the effect of a step and the record of it are one
// commit, and a job is started inside the user's own transaction. Kysely is the client.
//
//     npm install makegood pg kysely zod && DATABASE_URL=postgres://… node postgres-kysely.ts
import { type Generated, Kysely, PostgresDialect, sql } from "kysely";
import { job, makegood, participant } from "makegood";
import { kysely } from "makegood/kysely";
import { postgres } from "makegood/postgres";
import pg from "pg";
import * as z from "zod";

interface Database {
  orders: { id: string; cents: number };
  points: { n: Generated<number>; customer: string; points: number };
}

const pool = new pg.Pool({ connectionString: process.env["DATABASE_URL"], max: 10 });
const db = new Kysely<Database>({ dialect: new PostgresDialect({ pool }) });
await sql`CREATE TABLE IF NOT EXISTS orders (id text PRIMARY KEY, cents integer NOT NULL)`.execute(db);
await sql`CREATE TABLE IF NOT EXISTS points (n serial, customer text NOT NULL, points integer NOT NULL)`.execute(db);

// Applies what is missing of the engine's tables, which live in a schema of their own, `makegood`.
const store = postgres(pool, { migrate: true });
const shop = participant("shop", kysely(db, { dialect: "postgres", pool }));

const Award = z.object({ order: z.string(), customer: z.string(), cents: z.int() });

const awardPoints = job("award-points", { input: Award, key: (it) => it.order }, async (ctx, { customer, cents }) => {
  const points = Math.floor(cents / 100);
  await ctx.tx(shop, "award", {
    // An increment is not idempotent by nature. It happens once, since it is in one commit with the record that it did.
    run: async (tx) => void (await tx.insertInto("points").values({ customer, points }).execute()),
    compensate: async (tx) => void (await tx.insertInto("points").values({ customer, points: -points }).execute()),
  });
  return points;
});

const app = makegood({ store, workerName: "shop-1", participants: [shop] });
app.register(awardPoints);
await app.run();

/** The order and the start of the job are one transaction: both are there, or neither. */
const buy = (id: string, cents: number) =>
  db.transaction().execute(async (tx) => {
    await tx.insertInto("orders").values({ id, cents }).execute();
    const execution = await app.start(awardPoints, { order: id, customer: "ann", cents }, { in: [shop, tx] });
    if (cents > 100_000) throw new Error("over the limit");
    return execution;
  });

const execution = await buy("A-17", 2_350);
console.log("A-17:", await execution.result(), "points");
await buy("A-18", 100_001).catch((error: Error) => console.log("A-18:", error.message));

const total = await db
  .selectFrom("points")
  .select(({ fn }) => fn.sum<string>("points").as("sum"))
  .executeTakeFirst();
console.log("points in all:", Number(total?.sum));
console.log("executions:", (await app.list({ job: "award-points" })).map((it) => `${it.key} ${it.state}`).join(", "));
await app.stop();
await pool.end();
