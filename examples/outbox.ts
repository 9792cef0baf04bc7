// An order and its announcement commit together, in a database that is not the engine's. Two jobs hear of it; messages of one
// order come one after another. What rolled back is never heard of, and what is published twice is heard of once.
//
//     npm install makegood zod && node outbox.ts
import { DatabaseSync } from "node:sqlite";
import { setTimeout as wait } from "node:timers/promises";
import { job, makegood, onMessage, participant, topic } from "makegood";
import { nodeSqlite, sqlite } from "makegood/sqlite";
import * as z from "zod";

const db = new DatabaseSync("shop.db");
db.exec("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL");
db.exec("CREATE TABLE orders (id TEXT PRIMARY KEY, state TEXT); CREATE TABLE points (order_id TEXT, points INTEGER)");
const adapter = nodeSqlite(db);
const shop = participant("shop", adapter);

const Change = z.object({ id: z.string(), state: z.enum(["placed", "paid"]), cents: z.int() });
const orderChanged = topic("order.changed", Change);

/** The row and the message are one commit. */
function change(order: z.input<typeof Change>): void {
  adapter.transaction((tx) => {
    tx.prepare("INSERT INTO orders VALUES (?1, ?2) ON CONFLICT (id) DO UPDATE SET state = ?2").run(
      order.id,
      order.state,
    );
    shop.publish(tx, orderChanged, order, { id: `${order.id} ${order.state}`, orderingKey: order.id });
    if (order.cents < 0) throw new Error(`${order.id} has no price`);
  });
}

const mail = job("mail", { input: Change, on: [onMessage(orderChanged)] }, async (ctx, order) => {
  await ctx.step("send", {
    run: () => console.log(`mail: ${order.id} is ${order.state}`),
    irreversible: "a mail cannot be called back",
  });
});

const awardPoints = job("award-points", { input: Change, on: [onMessage(orderChanged)] }, async (ctx, order) => {
  if (order.state !== "paid") return;
  await ctx.tx(shop, "award", {
    run: (tx) => void tx.prepare("INSERT INTO points VALUES (?, ?)").run(order.id, Math.floor(order.cents / 100)),
    compensate: (tx) => void tx.prepare("DELETE FROM points WHERE order_id = ?").run(order.id),
  });
});

const app = makegood({ store: sqlite("engine.db"), participants: [shop] });
app.register(mail, awardPoints);
await app.migrate();
await app.run();

change({ id: "A-17", state: "placed", cents: 2300 });
change({ id: "A-17", state: "paid", cents: 2300 });
// The client did not hear of the commit, and tries again.
change({ id: "A-17", state: "paid", cents: 2300 });
try {
  change({ id: "A-18", state: "placed", cents: -1 });
} catch (error) {
  console.log(`rolled back: ${(error as Error).message}`);
}

while ((await app.counts()).completed < 4) await wait(10);
const orders = db.prepare("SELECT id, state FROM orders").all();
console.log(`orders: ${orders.map((row) => `${row["id"]} ${row["state"]}`).join(", ")}`);
console.log(`points: ${db.prepare("SELECT sum(points) AS points FROM points").get()?.["points"]}`);
await app.stop();
