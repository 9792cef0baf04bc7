/** A process that dies, or freezes, in the middle of an effect that is recorded. */
import type { AddressInfo } from "node:net";
import { DatabaseSync } from "node:sqlite";
import { setTimeout as wait } from "node:timers/promises";
import express from "express";
import { Redis } from "ioredis";
import mysql from "mysql2/promise";
import pg from "pg";
import { idempotencyKeyExpress, idempotentRunOf } from "../../../src/http.ts";
import { idempotent, participant } from "../../../src/index.ts";
import { mysql2 } from "../../../src/mysql.ts";
import { nodePostgres } from "../../../src/postgres.ts";
import { redisMarkers } from "../../../src/redis.ts";
import { nodeSqlite } from "../../../src/sqlite.ts";

export interface RecordArguments {
  readonly on: "sqlite" | "pg" | "mysql2" | "redis";
  readonly url: string;
  readonly how: "once" | "idempotent" | "http";
  readonly key: string;
}

export const childScope = "child";
/** The statement of an effect in the user's own table. */
export const insertEffect = (key: string): string => `INSERT INTO effect (note) VALUES ('${key}')`;

/** Says "inside" in the middle of the effect; on "go on" says how it ended. */
const args = JSON.parse(process.argv[2] ?? "null") as RecordArguments | null;
if (args !== null) {
  if (args.how === "http") await serve(args);
  else {
    await (args.how === "once" ? once(args) : callIdempotent(args));
    process.exit(0);
  }
}

function say(line: string): void {
  process.stdout.write(`${line}\n`);
}

async function once({ on, url, key }: RecordArguments): Promise<void> {
  const by = { scope: childScope, key };
  if (on === "sqlite") {
    const db = new DatabaseSync(url);
    const adapter = nodeSqlite(db);
    const orders = participant("orders", adapter);
    adapter.transaction((tx) =>
      orders.once(tx, by, () => {
        tx.exec(insertEffect(key));
        say("inside");
        Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 30_000);
      }),
    );
    return;
  }
  const inside = async (run: (sql: string) => Promise<unknown>): Promise<string> => {
    await run(insertEffect(key));
    say("inside");
    await wait(30_000);
    return "child";
  };
  if (on === "pg") {
    const adapter = nodePostgres(new pg.Pool({ connectionString: url }));
    const orders = participant("orders", adapter);
    await adapter.transaction((tx) => orders.once(tx, by, () => inside((sql) => tx.query(sql))));
  } else {
    const adapter = mysql2(mysql.createPool(url));
    const orders = participant("orders", adapter);
    await adapter.transaction((tx) => orders.once(tx, by, () => inside((sql) => tx.query(sql))));
  }
}

async function callIdempotent({ on, url, key }: RecordArguments): Promise<void> {
  const store = {
    sqlite: () => participant("orders", nodeSqlite(new DatabaseSync(url))),
    pg: () => participant("orders", nodePostgres(new pg.Pool({ connectionString: url }))),
    mysql2: () => participant("orders", mysql2(mysql.createPool(url))),
    redis: () => redisMarkers(new Redis(url)),
  }[on]();
  const frozen = new Promise<void>((resolve) => process.stdin.once("data", () => resolve()));
  const pay = idempotent(
    { on: store, scope: childScope, key: (id: string) => id, lease: "1s" },
    async (_, { signal }) => {
      say("inside");
      await frozen;
      say(`aborted ${signal.aborted}`);
      return "child";
    },
  );
  await pay(key).then(
    (value) => say(`answered ${value}`),
    (error: { readonly code: string }) => say(`failed ${error.code}`),
  );
}

/** Never answers its first attempt. */
async function serve({ url }: RecordArguments): Promise<void> {
  const on = participant("orders", nodeSqlite(new DatabaseSync(url, { timeout: 50 })));
  const app = express();
  app.post(
    "/payments",
    express.json(),
    idempotencyKeyExpress({ on, scope: () => childScope, lease: "1s" }),
    (req, res) => {
      const attempt = idempotentRunOf(req)?.attempt;
      say(`inside ${attempt}`);
      if (attempt !== 1) res.status(201).json({ attempt });
    },
  );
  const server = app.listen(0, "127.0.0.1", () => say(`at ${(server.address() as AddressInfo).port}`));
}
