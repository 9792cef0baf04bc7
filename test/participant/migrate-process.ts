// A process that migrates a participant: node migrate-process.ts <postgres|mysql|sqlite> <address> [statement to die after]
import { DatabaseSync } from "node:sqlite";
import mysql from "mysql2/promise";
import pg from "pg";
import type { Mode, TxAdapter } from "../../src/core/participant.ts";
import { mysql2 } from "../../src/participant/adapters/mysql2.ts";
import { nodeSqlite } from "../../src/participant/adapters/node-sqlite.ts";
import { nodePostgres } from "../../src/participant/adapters/pg.ts";
import { participant } from "../../src/participant/participant.ts";

const [dialect, address = "", dieAfter = "0"] = process.argv.slice(2);

if (dialect === "postgres") {
  const pool = new pg.Pool({ connectionString: address });
  await participant("orders", dying(nodePostgres(pool))).migrate();
  await pool.end();
} else if (dialect === "mysql") {
  const pool = mysql.createPool({ uri: address });
  await participant("orders", dying(mysql2(pool))).migrate();
  await pool.end();
} else {
  const db = new DatabaseSync(address);
  await participant("orders", dying(nodeSqlite(db))).migrate();
  db.close();
}

/** Kills its own process, as a power cut would, after so many statements; never for 0. */
function dying<Tx, M extends Mode>(adapter: TxAdapter<Tx, M>): TxAdapter<Tx, M> {
  let left = Number(dieAfter);
  const dieAfterwards = (answer: unknown): unknown => {
    const die = (): void => {
      left -= 1;
      if (left === 0) process.kill(process.pid, "SIGKILL");
    };
    if (answer instanceof Promise) return answer.finally(die);
    die();
    return answer;
  };
  return { ...adapter, query: (tx, sql, parameters) => dieAfterwards(adapter.query(tx, sql, parameters)) as never };
}
