// Sixteen workers take events from one pile in which each lies twice, in no order, while other workers take others of the
// same orders: what the history says must be what the definition says, for each order, and no event may count twice.

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { type Machine, type MoveResult, participant, stateMachine, type TxAdapter } from "makegood";
import { mysql2 } from "makegood/mysql";
import { nodePostgres } from "makegood/postgres";
import { nodeSqlite } from "makegood/sqlite";
import mysql from "mysql2/promise";
import pg from "pg";
import { describe, expect, it } from "vitest";
import { describeWithMariadb, describeWithPostgres } from "../services/describe.ts";

const states = {
  created: { on: { approve: "approved", cancel: "canceled", withdraw: "unavailable" } },
  approved: {
    initial: "plain",
    on: { ship: "shipped", cancel: "canceled", withdraw: "unavailable" },
    states: {
      plain: { on: { process: "processing", invoice: "invoiced" } },
      processing: { on: { invoice: "invoiced" } },
      invoiced: { on: { process: "processing" } },
    },
  },
  shipped: { on: { deliver: "delivered", cancel: "canceled" } },
  delivered: { final: true },
  canceled: { final: true },
  unavailable: { final: true },
} as const;
const main = { created: states.created.on, approved: states.approved.on, shipped: states.shipped.on };
const within = Object.fromEntries(Object.entries(states.approved.states).map(([name, { on }]) => [name, on]));

/** Where an event leads, read off the definition by hand. */
function next(state: string, event: string): string | undefined {
  const [top = "", sub = ""] = state.split(".");
  const inner = (within[sub] as Readonly<Record<string, string>> | undefined)?.[event];
  if (inner !== undefined) return `approved.${inner}`;
  const outer = (main as Readonly<Record<string, Readonly<Record<string, string>>>>)[top]?.[event];
  return outer === "approved" ? "approved.plain" : outer;
}

const orderCount = 40;
const eventsOfOrder = ["approve", "process", "invoice", "ship", "deliver", "cancel", "approve", "process"] as const;
const workerCount = 16;
const maxTries = 200;

// biome-ignore lint/suspicious/noExplicitAny: clients of every kind behind one face
type Any = any;

async function work(
  adapters: readonly TxAdapter<Any>[],
  make: () => Promise<unknown>,
  insert: (id: number) => Promise<unknown>,
): Promise<void> {
  const machines = adapters.map((adapter) => {
    const on = participant("shop", adapter);
    const machine = stateMachine(on, "order", { table: "orders", initial: "created", states, refusals: "record" });
    return { on, adapter, machine: machine as unknown as Machine<Any, Any> };
  });
  const [first] = machines;
  if (first === undefined) throw new Error("not reached");
  await first.on.migrate();
  await make();
  for (let id = 1; id <= orderCount; id++) await insert(id);
  await first.machine.installTrigger();
  const deliveries = Array.from({ length: orderCount }, (_, at) => at + 1)
    .flatMap((id) => eventsOfOrder.map((event, at) => ({ id, event, eventId: `${event}-${at}` })))
    .flatMap((it) => [it, it])
    // Mixed, and the same in every run.
    .map((it, at) => ({ it, place: (at * 7_919) % 1_009 }))
    .sort((a, b) => a.place - b.place)
    .map(({ it }) => it);
  const results: MoveResult<string>[] = [];
  const take = async (at: number): Promise<void> => {
    const { machine, adapter } = machines[at % machines.length] ?? first;
    for (let next = deliveries.pop(); next !== undefined; next = deliveries.pop()) {
      const { id, event, eventId } = next;
      results.push(
        await patiently(() =>
          adapter.transaction(
            (tx) => machine.tryMove(tx, { id }, event as never, { eventId, by: `worker ${at}` }) as Any,
          ),
        ),
      );
    }
  };
  await Promise.all(Array.from({ length: workerCount }, (_, at) => take(at)));

  const total = orderCount * eventsOfOrder.length;
  expect(results.filter(({ kind }) => kind === "duplicate")).toHaveLength(total);
  for (let id = 1; id <= orderCount; id++) {
    const lines = (await first.adapter.transaction((tx) => first.machine.history(tx, id) as Any)) as Any[];
    expect(new Set(lines.map(({ eventId }) => eventId)).size).toBe(eventsOfOrder.length);
    expect(lines).toHaveLength(eventsOfOrder.length);
    let state = "created";
    for (const { outcome, event, from, to } of lines) {
      const expected = next(state, event);
      expect([outcome, from, to]).toEqual([expected === undefined ? "illegal" : "moved", state, expected ?? null]);
      state = expected ?? state;
    }
  }
  const check = (await first.adapter.transaction((tx) => first.machine.check(tx) as Any)) as Any;
  expect(check).toEqual({ rowCount: orderCount, unknown: [] });
}

/** A busy SQLite is repeated, as a worker would. The others queue up at the row: there is nothing to repeat, no deadlock either. */
async function patiently<R>(attempt: () => R | Promise<R>): Promise<R> {
  for (let tries = 1; ; tries++) {
    try {
      return await attempt();
    } catch (error) {
      if (tries === maxTries || !/database is locked/.test(String(error))) throw error;
      await new Promise((resolve) => setTimeout(resolve, 2));
    }
  }
}

describe("sixteen workers, each event twice, on SQLite", () => {
  it("take each event once, in an order that the definition allows", async () => {
    const folder = mkdtempSync(join(tmpdir(), "makegood-workers-"));
    const open = (): DatabaseSync => new DatabaseSync(join(folder, "shop.db"), { timeout: 20 });
    const databases = [open(), open(), open()];
    for (const db of databases) db.exec("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL");
    const [db] = databases;
    try {
      await work(
        databases.map((it) => nodeSqlite(it)),
        async () => db?.exec("CREATE TABLE orders (id INTEGER PRIMARY KEY, state TEXT NOT NULL)"),
        async (id) => db?.exec(`INSERT INTO orders VALUES (${id}, 'created')`),
      );
    } finally {
      for (const it of databases) it.close();
      rmSync(folder, { recursive: true, force: true });
    }
  });
});

describeWithPostgres("sixteen workers, each event twice", (database) => {
  it("take each event once, in an order that the definition allows", async () => {
    const pool = new pg.Pool({ connectionString: database.url, max: workerCount });
    try {
      await work(
        [nodePostgres(pool)],
        () => pool.query("CREATE TABLE orders (id integer PRIMARY KEY, state text NOT NULL)"),
        (id) => pool.query("INSERT INTO orders VALUES ($1, 'created')", [id]),
      );
    } finally {
      await pool.end();
    }
  });
});

describeWithMariadb("sixteen workers, each event twice", (database) => {
  it("take each event once, in an order that the definition allows", async () => {
    const pool = mysql.createPool({ uri: database.url, connectionLimit: workerCount });
    try {
      await work(
        [mysql2(pool)],
        () => pool.query("CREATE TABLE orders (id INT PRIMARY KEY, state VARCHAR(40) NOT NULL) ENGINE = InnoDB"),
        (id) => pool.query("INSERT INTO orders VALUES (?, 'created')", [id]),
      );
    } finally {
      await pool.end();
    }
  });
});
