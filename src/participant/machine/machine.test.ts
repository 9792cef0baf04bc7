// What a machine makes of odd tables and of what callers get wrong. What it does with rows is claimed for every client in
// testing/machine-claims.ts.
import { DatabaseSync } from "node:sqlite";
import mysql from "mysql2/promise";
import pg from "pg";
import { describe, expect, it } from "vitest";
import { describeWithMariadb, describeWithPostgres } from "../../../test/services/describe.ts";
import { mysql2 } from "../adapters/mysql2.ts";
import { nodeSqlite } from "../adapters/node-sqlite.ts";
import { nodePostgres } from "../adapters/pg.ts";
import { participant } from "../participant.ts";
import { stateMachine } from "./machine.ts";
import type { MachineOptions } from "./types.ts";

const states = { open: { on: { shut: "shut", turn: "open" } }, shut: { final: true } } as const;
type DoorOptions = Partial<MachineOptions<typeof states>>;

async function door(options: DoorOptions = {}, table = "door") {
  const db = new DatabaseSync(":memory:");
  const house = participant("house", nodeSqlite(db));
  await house.migrate();
  db.exec(`CREATE TABLE ${table} (id TEXT PRIMARY KEY, state TEXT, at TEXT, "by ""whom""" TEXT)`);
  db.exec(`INSERT INTO ${table} (id, state) VALUES ('a', 'open')`);
  const machine = stateMachine(house, "door", { table: "door", initial: "open", states, ...options });
  const send = (row: unknown, event: unknown, how?: unknown) => {
    db.exec("BEGIN");
    try {
      return machine.tryMove(db, row as never, event as never, how as never);
    } finally {
      db.exec("COMMIT");
    }
  };
  const history = (limit?: number) => {
    db.exec("BEGIN");
    const lines = machine.history(db, "a", limit === undefined ? {} : { limit });
    db.exec("COMMIT");
    return lines;
  };
  return { db, machine, send, history };
}

describe("a machine", () => {
  it.each([
    ["an option that it does not know", { tabel: "door" }, /Did you mean table\?/],
    ["a table's name in three parts", { table: "a.b.c" }, /machine door: table: expected the name of a table/],
    ["no table", { table: undefined }, /machine door: table/],
    ["an empty name", { table: "" }, /machine door: table: expected a name of 1 to 63 bytes/],
    ["a column's name that is too long", { state: "x".repeat(64) }, /machine door: state: expected a name/],
    ["a column's name with a NUL", { version: "a\0" }, /machine door: version: expected a name/],
    ["an unknown way with refusals", { refusals: "ignore" }, /refusals: expected "record" or "forget"/],
    ["an actor that is none", { by: 7 }, /by: expected a text or a function/],
  ])("refuses %s", async (_what, options, message) => {
    await expect(door(options as DoorOptions)).rejects.toMatchObject({
      code: "OPTION_INVALID",
      message: expect.stringMatching(message),
    });
  });

  it("refuses a name that cannot be part of a trigger's, and what is no participant", () => {
    const house = participant("house", nodeSqlite(new DatabaseSync(":memory:")));
    const make = (on: unknown, name: string) => () =>
      stateMachine(on as typeof house, name, { table: "door", initial: "open", states });
    expect(make(house, "front door")).toThrow(/expected a name of 1 to 64 letters/);
    expect(make(house, "x".repeat(41))).toThrow(/at most 40 characters/);
    expect(make({ name: "house" }, "door")).toThrow(/expected a participant made with participant/);
  });

  it.each([
    ["no row", undefined, "shut", {}, /move: expected a row/],
    ["no id", { state: "open" }, "shut", {}, /expected an id/],
    ["an id that is too long", { id: "x".repeat(256) }, "shut", {}, /expected an id/],
    ["a fraction for an id", { id: 1.5 }, "shut", {}, /expected an id/],
    ["a version that is none", { id: "a", version: "1" }, "shut", {}, /version: expected a whole number/],
    ["an event that is none", { id: "a" }, 7, {}, /event: expected a name/],
    ["an option that it does not know", { id: "a" }, "shut", { reasons: "x" }, /Did you mean reason\?/],
    [
      "an event id that is too long",
      { id: "a" },
      "shut",
      { eventId: "ü".repeat(128) },
      /eventId: expected a text of 1 to 255 bytes/,
    ],
    [
      "a reason that is too long",
      { id: "a" },
      "shut",
      { reason: "x".repeat(2_001) },
      /reason: expected a text of at most 2000/,
    ],
    ["an actor with a NUL", { id: "a" }, "shut", { by: "a\0" }, /by: expected a text/],
    [
      "a column that is the state",
      { id: "a" },
      "shut",
      { set: { state: "x" } },
      /set\.state: this column is written by makegood itself/,
    ],
    [
      "a column that is the id in capitals",
      { id: "a" },
      "shut",
      { set: { ID: "x" } },
      /set\.ID: this column is written/,
    ],
    [
      "a value that is undefined",
      { id: "a" },
      "shut",
      { set: { at: undefined } },
      /set\.at: expected a value, found undefined/,
    ],
    ["columns that are none", { id: "a" }, "shut", { set: ["at"] }, /set: expected an object of columns/],
  ])("refuses a move with %s, and changes nothing", async (_what, row, event, how, message) => {
    const { send, db } = await door();
    expect(() => send(row, event, how)).toThrow(
      expect.objectContaining({ code: "OPTION_INVALID", message: expect.stringMatching(message) }),
    );
    expect(db.prepare("SELECT state, at FROM door").get()).toEqual({ state: "open", at: null });
  });

  it("takes any names as names, and any text as a text", async () => {
    const name = `do"or'; DROP TABLE door; --`;
    const { send, db } = await door({ table: name }, `"${name.replaceAll('"', '""')}"`);
    const how = { set: { 'by "whom"': "x'); --" }, by: "'; --", reason: '"' };
    expect(send({ id: "a", state: "open" }, "shut", how)).toMatchObject({ kind: "moved" });
    expect(db.prepare(`SELECT "by ""whom""" AS whom FROM "${name.replaceAll('"', '""')}"`).get()).toEqual({
      whom: "x'); --",
    });
    expect(send({ id: "' OR 1=1 --" }, "shut")).toEqual({ kind: "missing" });
  });

  it("answers what can be answered without a database", async () => {
    const { machine } = await door();
    expect([machine.name, machine.initial, machine.states]).toEqual(["door", "open", ["open", "shut"]]);
    expect(machine.eventsOf("open")).toEqual(["shut", "turn"]);
    expect(machine.is("open", "open")).toBe(true);
    expect(machine.is("open", "shut")).toBe(false);
    expect(() => machine.parse("Open")).toThrow(expect.objectContaining({ code: "STATE_UNKNOWN" }));
  });

  it("asks who moves, at each move, where the call does not say", async () => {
    let who = "ann";
    const { send, history } = await door({ by: () => who });
    send({ id: "a" }, "turn");
    who = "bob";
    send({ id: "a" }, "turn");
    send({ id: "a" }, "turn", { by: "eve" });
    expect(history().map(({ by }) => by)).toEqual(["ann", "bob", "eve"]);
    expect(history(1).map(({ by }) => by)).toEqual(["ann"]);
  });

  it("keeps the history of a row that was deleted", async () => {
    const { send, history, db } = await door();
    send({ id: "a" }, "shut");
    db.exec("DELETE FROM door");
    expect(history()).toMatchObject([{ event: "shut" }]);
  });
});

describeWithPostgres("a machine on PostgreSQL", (database) => {
  it("moves rows with a uuid, a state of an enum, in a schema of their own; the history finds the id in capitals", async () => {
    const pool = new pg.Pool({ connectionString: database.url });
    const adapter = nodePostgres(pool);
    const house = participant("house", adapter);
    await house.migrate();
    await pool.query(`CREATE SCHEMA "My House"; CREATE TYPE door_state AS ENUM ('open', 'shut')`);
    await pool.query(`CREATE TABLE "My House".door (key uuid PRIMARY KEY, "State" door_state NOT NULL)`);
    const key = "0195f2a0-0000-7000-8000-00000000abcd";
    await pool.query(`INSERT INTO "My House".door VALUES ($1, 'open')`, [key]);
    const machine = stateMachine(house, "door", {
      table: "My House.door",
      id: "key",
      state: "State",
      initial: "open",
      states,
    });
    await machine.installTrigger();
    const id = key.toUpperCase();
    const how = { eventId: "e" };
    expect(await adapter.transaction((tx) => machine.tryMove(tx, { id, state: "open" }, "turn"))).toMatchObject({
      kind: "moved",
    });
    expect(await adapter.transaction((tx) => machine.tryMove(tx, { id }, "turn", how))).toMatchObject({
      kind: "moved",
    });
    expect(await adapter.transaction((tx) => machine.tryMove(tx, { id: key }, "turn", how))).toMatchObject({
      kind: "duplicate",
    });
    expect(await adapter.transaction((tx) => machine.tryMove(tx, { id, state: "open" }, "shut"))).toMatchObject({
      kind: "moved",
    });
    expect(await adapter.transaction((tx) => machine.history(tx, id))).toHaveLength(3);
    await expect(pool.query(`UPDATE "My House".door SET "State" = 'open'`)).rejects.toMatchObject({ code: "23514" });
    await pool.end();
  });
});

describeWithMariadb("a machine on MariaDB", (database) => {
  it("sees what is, in a transaction at REPEATABLE READ that began to read before", async () => {
    const pool = mysql.createPool(database.url);
    const house = participant("house", mysql2(pool));
    await house.migrate();
    await pool.query(
      "CREATE TABLE door (id INT PRIMARY KEY, state VARCHAR(20) NOT NULL, version INT NOT NULL DEFAULT 0) ENGINE = InnoDB",
    );
    await pool.query("INSERT INTO door (id, state) VALUES (1, 'open')");
    const machine = stateMachine(house, "door", { table: "door", version: "version", initial: "open", states });
    const tx = await pool.getConnection();
    await tx.query("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ");
    await tx.query("START TRANSACTION");
    await tx.query("SELECT * FROM door");
    const other = await mysql2(pool).transaction((it) => machine.tryMove(it, { id: 1 }, "turn", { eventId: "e" }));
    expect(other.kind).toBe("moved");
    await mysql2(pool).transaction((it) => machine.tryMove(it, { id: 1, state: "open" }, "shut"));
    expect(await machine.tryMove(tx, { id: 1, state: "open" }, "shut")).toEqual({
      kind: "stale",
      actual: "shut",
      version: 2,
    });
    expect(await machine.tryMove(tx, { id: 1 }, "turn", { eventId: "e" })).toMatchObject({ kind: "duplicate" });
    expect(await machine.tryMove(tx, { id: 1 }, "shut")).toMatchObject({ kind: "illegal", actual: "shut" });
    const change = { table: "door", id: 1, version: 0, set: {} };
    expect(await house.updateVersioned(tx, change)).toEqual({ kind: "stale", version: 2 });
    await tx.query("COMMIT");
    tx.release();
    await pool.end();
  });

  it.each([
    { column: "VARCHAR(20) COLLATE utf8mb4_general_ci", written: "A1", given: "a1" },
    { column: "INT(5) ZEROFILL", written: "00007", given: 7 },
    { column: "UUID", written: "0195f2a0-0000-7000-8000-00000000abcd", given: "0195F2A0-0000-7000-8000-00000000ABCD" },
    { column: "VARCHAR(20)", written: "é 1", given: "é 1" },
    { column: "INT", written: "7", given: 7 },
  ])("keeps the history of an id $given under $written, as the database writes its $column", async (id) => {
    const pool = mysql.createPool(database.url);
    const adapter = mysql2(pool);
    const house = participant("house", adapter);
    await house.migrate();
    await pool.query("DELETE FROM makegood_machine_history");
    await pool.query("DROP TABLE IF EXISTS door");
    await pool.query(`CREATE TABLE door (id ${id.column} PRIMARY KEY, state VARCHAR(20) NOT NULL)`);
    await pool.query("INSERT INTO door VALUES (?, 'open')", [id.given]);
    await pool.query("UPDATE door SET id = ?", [id.written]);
    const machine = stateMachine(house, "door", { table: "door", initial: "open", states });
    const row = { id: id.given, state: "open" } as const;
    expect(await adapter.transaction((tx) => machine.tryMove(tx, row, "shut"))).toMatchObject({ kind: "moved" });
    expect(await adapter.transaction((tx) => machine.tryMove(tx, row, "shut"))).toMatchObject({ kind: "stale" });
    const [lines] = await pool.query("SELECT CONVERT(entity USING utf8mb4) AS entity FROM makegood_machine_history");
    expect(lines).toEqual([{ entity: id.written }]);
    expect(await adapter.transaction((tx) => machine.history(tx, id.given))).toHaveLength(1);
    await pool.end();
  });
});
