// BEGIN and COMMIT by hand. The error path forgets ROLLBACK, and the pool hands the connection to the next one as it is.
import { sql } from "kysely";
import type { ShopDb } from "../shop.ts";
import { type Order, writeAll } from "./job.ts";

export async function buy(pool: ShopDb, order: Order): Promise<void> {
  await pool.connection().execute(async (connection) => {
    await sql`BEGIN`.execute(connection);
    await writeAll(connection, order);
    await sql`COMMIT`.execute(connection);
  });
}
