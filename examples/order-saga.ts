// An order over three databases. Two customers order; one of them may not be charged, so her order is made good: the charge
// is refused, the stock given back, the order canceled. Run it twice: the second run changes nothing.
//
//     npm install makegood zod && node order-saga.ts
import { DatabaseSync } from "node:sqlite";
import { job, makegood, participant, RefusedError } from "makegood";
import { nodeSqlite, sqlite } from "makegood/sqlite";
import * as z from "zod";

// Three databases, as three services would have them. Each gets one small table of makegood's: its barrier.
const open = (file: string, schema: string): DatabaseSync => {
  const db = new DatabaseSync(file, { timeout: 50 });
  db.exec(`PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; ${schema}`);
  return db;
};
const orderDb = open("orders.db", "CREATE TABLE IF NOT EXISTS orders (id TEXT PRIMARY KEY, state TEXT)");
const stockDb = open("stock.db", "CREATE TABLE IF NOT EXISTS stock (code TEXT PRIMARY KEY, units INTEGER)");
const accountDb = open("accounts.db", "CREATE TABLE IF NOT EXISTS accounts (name TEXT PRIMARY KEY, cents INTEGER)");
stockDb.exec("INSERT OR IGNORE INTO stock VALUES ('tea', 100), ('cup', 100)");
accountDb.exec("INSERT OR IGNORE INTO accounts VALUES ('ann', 5000), ('bob', 100)");

const orders = participant("orders", nodeSqlite(orderDb));
const stock = participant("stock", nodeSqlite(stockDb));
const accounts = participant("accounts", nodeSqlite(accountDb));
for (const each of [orders, stock, accounts]) await each.migrate();

const Order = z.object({
  id: z.string(),
  customer: z.string(),
  cents: z.int().positive(),
  lines: z.array(z.object({ code: z.string(), units: z.int().positive() })),
});

const placeOrder = job("place-order", { input: Order, key: (order) => order.id }, async (ctx, order) => {
  await ctx.tx(orders, "create", {
    run: (tx) => void tx.prepare("INSERT INTO orders VALUES (?, 'open')").run(order.id),
    compensate: (tx) => void tx.prepare("UPDATE orders SET state = 'canceled' WHERE id = ?").run(order.id),
  });
  for (const { code, units } of order.lines)
    await ctx.tx(stock, ["take", code], {
      run: (tx) => void tx.prepare("UPDATE stock SET units = units - ? WHERE code = ?").run(units, code),
      compensate: (tx) => void tx.prepare("UPDATE stock SET units = units + ? WHERE code = ?").run(units, code),
    });
  await ctx.tx(accounts, "charge", {
    run: (tx) => {
      const { changes } = tx
        .prepare("UPDATE accounts SET cents = cents - ?1 WHERE name = ?2 AND cents >= ?1")
        .run(order.cents, order.customer);
      if (changes !== 1) throw new RefusedError(`${order.customer} has too little money`);
    },
    compensate: (tx) =>
      void tx.prepare("UPDATE accounts SET cents = cents + ? WHERE name = ?").run(order.cents, order.customer),
  });
  // The decision: from here on the order only goes forward. What fails is tried again, and in the end a person is asked.
  await ctx.pivot();
  await ctx.tx(orders, "confirm", {
    run: (tx) => void tx.prepare("UPDATE orders SET state = 'paid' WHERE id = ?").run(order.id),
  });
});

const app = makegood({ store: sqlite("engine.db"), workerName: "shop-1", participants: [orders, stock, accounts] });
app.register(placeOrder);
await app.run();

for (const order of [
  {
    id: "A-1",
    customer: "ann",
    cents: 1500,
    lines: [
      { code: "tea", units: 2 },
      { code: "cup", units: 1 },
    ],
  },
  { id: "B-1", customer: "bob", cents: 1500, lines: [{ code: "tea", units: 2 }] },
]) {
  const execution = await app.start(placeOrder, order);
  const outcome = await execution.outcome();
  const why = outcome.state === "compensated" ? `: ${outcome.error.message}` : "";
  console.log(`${order.id} ${outcome.state}${why}`);
}
await app.stop();

const list = (db: DatabaseSync, sql: string): string =>
  db
    .prepare(sql)
    .all()
    .map((row) => Object.values(row).join(" "))
    .join(", ");
console.log("orders:", list(orderDb, "SELECT id, state FROM orders ORDER BY id"));
console.log("stock:", list(stockDb, "SELECT code, units FROM stock ORDER BY code"));
console.log("accounts:", list(accountDb, "SELECT name, cents FROM accounts ORDER BY name"));
