// What pruning asks of a database with a large history: each statement goes by an index, so that a batch reads no more than
// its own lines and locks nothing else.
import { DatabaseSync } from "node:sqlite";
import mysql, { type RowDataPacket } from "mysql2/promise";
import pg from "pg";
import { describe, expect, it } from "vitest";
import { describeWithMariadb, describeWithPostgres } from "../../../test/services/describe.ts";
import type { Row, Script, Statement } from "../../core/script.ts";
import type { Dialect } from "../../core/store.ts";
import { mysql2 } from "../adapters/mysql2.ts";
import { nodeSqlite } from "../adapters/node-sqlite.ts";
import { nodePostgres } from "../adapters/pg.ts";
import { participant } from "../participant.ts";
import { machineSqlOf } from "./machine.ts";
import { quoteMachineTable } from "./sql.ts";

const rowCount = 20_000;
/** Ten lines of each row: nine of ten are to be pruned. */
const line = (n: string, text: string): string => `'order', CAST(${n} % 2000 AS ${text}), 'moved', 1000`;
const columns = "(machine, entity, outcome, at)";

/** The statements of a batch in the middle. */
function batchOn(dialect: Dialect): readonly Statement[] {
  const sql = machineSqlOf(quoteMachineTable("order", dialect, { table: "orders" }));
  const [after, upTo] = [
    { entity: "1100", seq: 500 },
    { entity: "1200", seq: 1_000 },
  ];
  return [...statementsOf(sql.pageEnd(after, 500)), ...statementsOf(sql.prune(after, upTo, 60_000))];
}

function statementsOf(script: Script<unknown>): readonly Statement[] {
  const statements: Statement[] = [];
  const answer: readonly Row[] = [{ entity: "1200", seq: 1_000, affectedRows: 1 }];
  for (let turn = script.next(); !turn.done; turn = script.next(answer)) statements.push(turn.value);
  return statements;
}

describe("pruning a history, on SQLite", () => {
  it.each([
    { statistics: "without", analyze: "" },
    { statistics: "with", analyze: "ANALYZE" },
  ])("reads by primary key $statistics statistics, and a later move by its index", async ({ analyze }) => {
    const db = new DatabaseSync(":memory:");
    await participant("orders", nodeSqlite(db)).migrate();
    db.exec(`
      INSERT INTO makegood_machine_history ${columns}
      WITH RECURSIVE n(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < ${rowCount})
      SELECT ${line("n", "TEXT")} FROM n; ${analyze}`);
    const steps = batchOn("sqlite").map(({ sql, parameters }) =>
      db
        .prepare(`EXPLAIN QUERY PLAN ${sql}`)
        .all(...(parameters as (string | number)[]))
        .map((row) => String(row["detail"]))
        .filter((detail) => / makegood_machine_history| later/.test(detail)),
    );
    const byKey = "SEARCH makegood_machine_history USING INTEGER PRIMARY KEY";
    expect(steps).toEqual([
      [`${byKey} (rowid>?)`],
      [
        `${byKey} (rowid>? AND rowid<?)`,
        expect.stringMatching(/^SEARCH later USING INDEX makegood_machine_history_event \(machine=\? AND entity=\?/),
      ],
    ]);
    db.close();
  });
});

describeWithPostgres("pruning a history", (database) => {
  it("reads by primary key, with and without statistics, and so a later move", async () => {
    const pool = new pg.Pool({ connectionString: database.url });
    try {
      await participant("orders", nodePostgres(pool)).migrate();
      await pool.query("ALTER TABLE makegood.machine_history SET (autovacuum_enabled = false)");
      await pool.query(
        `INSERT INTO makegood.machine_history ${columns} SELECT ${line("n", "text")} FROM generate_series(1, ${rowCount}) AS n`,
      );
      for (const prepare of ["SELECT 1", "ANALYZE makegood.machine_history"]) {
        await pool.query(prepare);
        for (const { sql, parameters } of batchOn("postgres")) {
          const { rows } = await pool.query(`EXPLAIN ${sql}`, [...parameters]);
          const plan = rows.map((row) => row["QUERY PLAN"]).join("\n");
          expect(plan).not.toMatch(/Seq Scan|Join|Nested Loop/);
          expect(plan).toMatch(/machine_history_pkey.*\n +(Index|Recheck) Cond: .*ROW\(entity, seq\) > ROW/);
          if (sql.includes("DELETE"))
            expect(plan).toMatch(/SubPlan[\s\S]*machine_history_pkey on machine_history later/);
        }
      }
    } finally {
      await pool.end();
    }
  });
});

describeWithMariadb("pruning a history", (database) => {
  it("reads by primary key, with and without statistics, and a later move by its index", async () => {
    const pool = mysql.createPool({ uri: database.url });
    try {
      await participant("orders", mysql2(pool)).migrate();
      await pool.query("ALTER TABLE makegood_machine_history STATS_AUTO_RECALC = 0");
      await pool.query(
        `INSERT INTO makegood_machine_history ${columns} SELECT ${line("seq", "CHAR")} FROM seq_1_to_${rowCount}`,
      );
      for (const prepare of ["SELECT 1", "ANALYZE TABLE makegood_machine_history"]) {
        await pool.query(prepare);
        const plans: unknown[] = [];
        for (const { sql, parameters } of batchOn("mysql")) {
          const [steps] = await pool.query<RowDataPacket[]>(`EXPLAIN ${sql}`, [...parameters]);
          plans.push(
            steps
              .filter((step) => !/derived|chosen/.test(String(step["table"])))
              .map(({ table, type, key }) => ({ table, type, key })),
          );
        }
        expect(plans).toEqual([
          [{ table: "makegood_machine_history", type: "range", key: "PRIMARY" }],
          [
            { table: "old", type: "range", key: "PRIMARY" },
            { table: "later", type: "ref", key: "makegood_machine_history_event" },
          ],
          [{ table: "h", type: "eq_ref", key: "PRIMARY" }],
        ]);
      }
    } finally {
      await pool.end();
    }
  });
});
