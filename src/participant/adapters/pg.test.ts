import pg from "pg";
import { expect, it } from "vitest";
import { openPg } from "../../../test/participant/postgres-clients.ts";
import { testPostgresParticipant } from "../../../test/participant/run-claims.ts";
import { describeWithPostgres } from "../../../test/services/describe.ts";
import { participant } from "../participant.ts";
import { type NodePostgresOptions, nodePostgres } from "./pg.ts";

describeWithPostgres("nodePostgres", (database) => {
  testPostgresParticipant("pg", database, openPg);

  it.each([
    [{}, ["SELECT makegood.begin_once(", "SELECT makegood.end_once("]],
    [{ prepare: false }, []],
  ] as const)("with %j prepares what is for one row, and nothing of the user's", async (options, prepared) => {
    const pool = new pg.Pool({ connectionString: database.url, max: 1 });
    const adapter = nodePostgres(pool, options);
    const orders = participant("orders", adapter);
    await orders.migrate();
    const found = await adapter.transaction(async (tx) => {
      const by = { scope: "prepared", key: JSON.stringify(options) };
      await orders.once(tx, by, async () => (await tx.query("SELECT $1::text", ["a"])).rowCount);
      await adapter.query(tx, "SELECT o.seq AS once FROM makegood.outbox o LIMIT $1", [1]);
      const { rows } = await tx.query(
        "SELECT name, statement FROM pg_prepared_statements WHERE statement LIKE '%once%' ORDER BY prepare_time",
      );
      return rows as readonly { readonly name: string; readonly statement: string }[];
    });
    await pool.end();
    expect(found.map(({ statement }) => statement.slice(0, statement.indexOf("(") + 1))).toEqual(prepared);
    for (const { name } of found) expect(name).toMatch(/^makegood_[\w-]{22}$/);
  });

  it("gives no connection to another body on which a statement ran into the pool's own time limit", async () => {
    const pool = new pg.Pool({ connectionString: database.url, max: 1, query_timeout: 400 });
    const { transaction } = nodePostgres(pool);
    const slow = transaction((tx) => tx.query("SELECT pg_sleep($1), 'slow' AS said", [0.6]));
    await expect(slow).rejects.toThrow("timeout");
    for (const said of ["one", "two", "three"]) {
      const { rows } = await transaction((tx) => tx.query("SELECT $1::text AS said", [said]));
      expect(rows).toEqual([{ said }]);
    }
    await pool.end();
  });

  it("keeps a body that goes on after its transaction from giving the connection back", async () => {
    const pool = new pg.Pool({ connectionString: database.url, max: 1 });
    const held = await nodePostgres(pool).transaction(async (tx) => tx);
    expect(() => held.release()).toThrow("has ended");
    await pool.end();
  });

  it("refuses options that it does not know", () => {
    const wrong = { prepared: true } as NodePostgresOptions;
    expect(() => nodePostgres(new pg.Pool(), wrong)).toThrow(expect.objectContaining({ code: "OPTION_INVALID" }));
  });
});
