// The tables of a small shop, which all patterns share. They are the user's; makegood asks nothing of them but a version
// column where versions are compared.

import type { Generated, Kysely, Transaction } from "kysely";
import type { Participant } from "makegood";

export interface ShopTables {
  orders: {
    id: string;
    state: string;
    /** Only of the naive form of order-fulfillment: elsewhere a state with sub-states is one text. */
    sub_state: Generated<string | null>;
    customer: string;
    code: string;
    units: number;
    cents: number;
    version: number;
    /** Epoch ms; only of order-compensate. */
    failed_at: Generated<number>;
  };
  stock: { code: string; units: number; held: number };
  accounts: { name: string; cents: number; held: number; version: number };
  products: { code: string; cents: number; version: number };
  feeds: { name: string; body: string; fence: number };
  /** One line for every effect, without any key: what happens twice is seen here. */
  book: { what: string; about: string };
  /** The tables of the naive forms: a record of what was done, and a lock with an expiry. */
  records: { id: string; status: string; taken_at: number };
  locks: { name: string; owner: string; expires_at: number };
  /** What a person has to look at. */
  manual_tasks: { id: string; why: string };
}

export type Tx = Transaction<ShopTables>;
export type Shop = Participant<Tx, "async">;
export type ShopDb = Kysely<ShopTables>;

export async function createTables(db: ShopDb): Promise<void> {
  const create = (table: keyof ShopTables, key?: string) => {
    const made = db.schema.createTable(table);
    return key === undefined ? made : made.addColumn(key, "varchar(64)", (column) => column.primaryKey());
  };
  await create("orders", "id")
    .addColumn("state", "varchar(64)", (column) => column.notNull())
    .addColumn("sub_state", "varchar(64)")
    .addColumn("customer", "varchar(64)", (column) => column.notNull())
    .addColumn("code", "varchar(64)", (column) => column.notNull())
    .addColumn("units", "integer", (column) => column.notNull())
    .addColumn("cents", "integer", (column) => column.notNull())
    .addColumn("version", "integer", (column) => column.notNull())
    .addColumn("failed_at", "bigint", (column) => column.notNull().defaultTo(0))
    .execute();
  await create("stock", "code")
    .addColumn("units", "integer", (column) => column.notNull())
    .addColumn("held", "integer", (column) => column.notNull())
    .execute();
  await create("accounts", "name")
    .addColumn("cents", "integer", (column) => column.notNull())
    .addColumn("held", "integer", (column) => column.notNull())
    .addColumn("version", "integer", (column) => column.notNull())
    .execute();
  await create("products", "code")
    .addColumn("cents", "integer", (column) => column.notNull())
    .addColumn("version", "integer", (column) => column.notNull())
    .execute();
  await create("feeds", "name")
    .addColumn("body", "varchar(255)", (column) => column.notNull())
    .addColumn("fence", "bigint", (column) => column.notNull())
    .execute();
  await create("book").addColumn("what", "varchar(64)").addColumn("about", "varchar(64)").execute();
  await create("records", "id")
    .addColumn("status", "varchar(64)", (column) => column.notNull())
    .addColumn("taken_at", "integer", (column) => column.notNull())
    .execute();
  await create("locks", "name")
    .addColumn("owner", "varchar(64)", (column) => column.notNull())
    .addColumn("expires_at", "integer", (column) => column.notNull())
    .execute();
  await create("manual_tasks", "id")
    .addColumn("why", "varchar(255)", (column) => column.notNull())
    .execute();
}

const emptied = [
  ...(["orders", "stock", "accounts", "products", "feeds", "book", "records", "locks", "manual_tasks"] as const),
];

export async function emptyTables(db: ShopDb): Promise<void> {
  for (const table of emptied) await db.deleteFrom(table).execute();
}

/** Notes an effect. Nothing in the table keeps it from being noted twice. */
export async function note(on: ShopDb, what: string, about: string): Promise<void> {
  await on.insertInto("book").values({ what, about }).execute();
}

/** What was noted about it. */
export async function noted(on: ShopDb, about: string): Promise<readonly string[]> {
  const rows = await on.selectFrom("book").select("what").where("about", "=", about).orderBy("what").execute();
  return rows.map(({ what }) => what);
}

/** An order of one cup for ten, in this state. */
export async function insertOrder(on: ShopDb, id: string, state: string): Promise<void> {
  const order = { id, state, customer: "ann", code: "cup", units: 1, cents: 10, version: 1 };
  await on.insertInto("orders").values(order).execute();
}

export async function stateOf(on: ShopDb, id: string): Promise<string | undefined> {
  return (await on.selectFrom("orders").select("state").where("id", "=", id).executeTakeFirst())?.state;
}

/** An account with this much on it. */
export async function insertAccount(on: ShopDb, name: string, cents: number): Promise<void> {
  await on.insertInto("accounts").values({ name, cents, held: 0, version: 1 }).execute();
}

export async function centsOf(on: ShopDb, name: string): Promise<number | undefined> {
  return (await on.selectFrom("accounts").select("cents").where("name", "=", name).executeTakeFirst())?.cents;
}

export async function insertStock(on: ShopDb, code: string, units: number): Promise<void> {
  await on.insertInto("stock").values({ code, units, held: 0 }).execute();
}

export async function unitsOf(on: ShopDb, code: string): Promise<number | undefined> {
  return (await on.selectFrom("stock").select("units").where("code", "=", code).executeTakeFirst())?.units;
}
