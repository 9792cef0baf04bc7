import { createPool, type Pool, type PoolConnection, type RowDataPacket } from "mysql2/promise";
import { expect, it } from "vitest";
import { openMysql2 } from "../../../test/participant/mysql-clients.ts";
import { testMysqlParticipant } from "../../../test/participant/run-claims.ts";
import { describeWithMariadb } from "../../../test/services/describe.ts";
import { participant } from "../participant.ts";
import { type Mysql2Options, mysql2 } from "./mysql2.ts";

// What a user may have set the client to; makegood's own statements must not notice.
const allSettings = {
  mysql2: {},
  "mysql2 that counts changed rows only": { flags: ["-FOUND_ROWS"] },
  "mysql2 with rows as arrays, numbers as text and bytes of its own": {
    rowsAsArray: true,
    supportBigNumbers: true,
    bigNumberStrings: true,
    namedPlaceholders: true,
    typeCast: () => "cast",
  },
};

describeWithMariadb("mysql2", (database) => {
  for (const [name, settings] of Object.entries(allSettings)) {
    testMysqlParticipant(name, database, (url) => openMysql2(url, settings));
  }
});

describeWithMariadb("mysql2", (database) => {
  it("keeps names apart that the connection's character set could not, and finds them from another one", async () => {
    const latin = openMysql2(database.url, { charset: "latin1" });
    const unicode = openMysql2(database.url);
    const orders = participant("orders", latin.adapter);
    await orders.migrate();
    const act = (client: typeof latin, branch: string) =>
      participant("orders", client.adapter).port.act({ gid: "g", branch, round: 0 }, "action", () => null);
    for (const branch of ["库", "存", "é"]) expect((await act(latin, branch)).kind).toBe("ran");
    for (const branch of ["库", "存", "é"]) expect((await act(unicode, branch)).kind).toBe("stored");
    await Promise.all([latin.close(), unicode.close()]);
  });

  const compound: Mysql2Options = { compoundBegin: true };
  /** A pool of one connection, after these statements of the user's. */
  async function poolAfter(...settings: readonly string[]): Promise<Pool> {
    const pool = createPool({ uri: database.url, connectionLimit: 1 });
    for (const sql of settings) await pool.query(sql);
    return pool;
  }
  /** The last column of the first row. */
  async function numberOf(tx: Pool | PoolConnection, sql: string): Promise<number> {
    const [[row]] = await tx.query<RowDataPacket[][]>({ sql, rowsAsArray: true });
    return Number(row?.at(-1));
  }
  /** Whether a transaction sees what another one commits beside it. */
  async function seesCommitted(tx: PoolConnection): Promise<boolean> {
    const other = createPool(database.url);
    await other.query("CREATE TABLE IF NOT EXISTS seen (id INT)");
    const count = "SELECT COUNT(*) FROM seen";
    const before = await numberOf(tx, count);
    await other.query("INSERT INTO seen SET id = 1");
    await other.end();
    return (await numberOf(tx, count)) > before;
  }
  /** Commands that the session has been sent, this one among them. */
  const sent = "SHOW SESSION STATUS LIKE 'Questions'";
  async function tripsToBegin(pool: Pool, options: Mysql2Options = compound): Promise<number> {
    const before = await numberOf(pool, sent);
    return mysql2(pool, options).transaction(async (tx) => (await numberOf(tx, sent)) - before - 1);
  }

  const sessions = [
    { of: "of the server's defaults", settings: [] },
    { of: "at SERIALIZABLE", settings: ["SET SESSION TRANSACTION ISOLATION LEVEL SERIALIZABLE"] },
    { of: "without autocommit", settings: ["SET autocommit = 0"] },
    { of: "in Oracle's dialect", settings: ["SET sql_mode = 'ORACLE'"] },
    { of: "with ANSI quotes and without escapes", settings: ["SET sql_mode = 'ANSI,NO_BACKSLASH_ESCAPES'"] },
  ];
  it.each(sessions)("begins at READ COMMITTED, compound or not, in a session $of", async ({ settings }) => {
    const pool = await poolAfter(...settings);
    expect(await mysql2(pool).transaction(seesCommitted)).toBe(true);
    expect(await mysql2(pool, compound).transaction(seesCommitted)).toBe(true);
    expect([await tripsToBegin(pool, {}), await tripsToBegin(pool)]).toEqual([2, 1]);
    await pool.end();
  });

  it("leaves the isolation of the user's next transaction alone", async () => {
    const pool = await poolAfter();
    await mysql2(pool, compound).transaction(seesCommitted);
    const connection = await pool.getConnection();
    await connection.beginTransaction();
    expect(await seesCommitted(connection)).toBe(false);
    await connection.rollback();
    connection.release();
    await pool.end();
  });

  it.each(["8.4.3", undefined])("begins in two round trips on a server that says it is %s", async (serverVersion) => {
    const pool = await poolAfter();
    const connection = await pool.getConnection();
    const { _handshakePacket } = connection.connection as unknown as { readonly _handshakePacket: object };
    Object.assign(_handshakePacket, { serverVersion });
    connection.release();
    expect(await mysql2(pool, compound).transaction(seesCommitted)).toBe(true);
    expect(await tripsToBegin(pool)).toBe(2);
    await pool.end();
  });

  it.each([{}, compound])("with %j says why it could not begin, and does not come to the body", async (options) => {
    const pool = await poolAfter("SET autocommit = 0", "CREATE TABLE IF NOT EXISTS seen (id INT)", "DELETE FROM seen");
    const beginning = mysql2(pool, options).transaction(async () => expect.fail("began"));
    await expect(beginning).rejects.toMatchObject({ errno: 1568 });
    await pool.end();
  });

  it("keeps a body that goes on after its transaction from giving the connection back, and from makegood's own statements", async () => {
    const pool = createPool(database.url);
    const adapter = mysql2(pool);
    const held = await adapter.transaction(async (tx) => tx);
    expect(() => held.release()).toThrow("has ended");
    await expect(adapter.query(held, "DO 0", [])).rejects.toThrow("has ended");
    await pool.end();
  });

  it("refuses a mark that INSERT IGNORE would cut to fit", async () => {
    const { adapter, close } = openMysql2(database.url);
    const { port, migrate } = participant("orders", adapter);
    await migrate();
    const mark = { gid: "g", branch: "b", round: 0 };
    for (const wrong of [{ gid: "é".repeat(65) }, { branch: "x".repeat(1_025) }, { round: 0.5 }, { round: 2 ** 31 }])
      expect(await port.act({ ...mark, ...wrong }, "action", () => null)).toMatchObject({
        kind: "threw",
        error: { code: "OPTION_INVALID" },
      });
    await close();
  });
});
