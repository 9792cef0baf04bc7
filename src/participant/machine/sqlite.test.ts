// The numbers of a history's lines on SQLite: nothing but the lines themselves remembers the last one.
import { DatabaseSync } from "node:sqlite";
import { expect, it, onTestFinished } from "vitest";
import { migrateBefore } from "../../../test/participant/migrate-before.ts";
import { nodeSqlite } from "../adapters/node-sqlite.ts";
import { participant } from "../participant.ts";
import { stateMachine } from "./machine.ts";

const states = { open: { on: { shut: "shut", turn: "open" } }, shut: { on: { unlock: "open" } } } as const;

function openHouse() {
  const db = new DatabaseSync(":memory:");
  onTestFinished(() => db.close());
  db.exec("CREATE TABLE door (id TEXT PRIMARY KEY, state TEXT, lid TEXT)");
  const house = participant("house", nodeSqlite(db));
  const machines = {
    door: stateMachine(house, "door", { table: "door", initial: "open", states, refusals: "record" }),
    lid: stateMachine(house, "lid", { table: "door", state: "lid", initial: "open", states }),
  };
  const add = (id: string): void => void db.prepare("INSERT INTO door VALUES (?, 'open', 'open')").run(id);
  const move = (name: keyof typeof machines, id: string, event: "shut" | "turn" | "unlock"): void => {
    db.exec("BEGIN");
    machines[name].tryMove(db, { id }, event);
    db.exec("COMMIT");
  };
  const numbers = (): readonly number[] =>
    db
      .prepare("SELECT seq FROM makegood_machine_history ORDER BY seq")
      .all()
      .map((row) => Number(row["seq"]));
  /** Of both machines, everything that may go. */
  const prune = async (): Promise<void> => {
    db.exec("UPDATE makegood_machine_history SET at = 1");
    for (const machine of Object.values(machines)) await machine.pruneHistory({ keep: "1m" });
  };
  return { db, house, add, move, numbers, prune };
}

it("no number is given out twice, whatever is pruned and whichever rows are deleted", async () => {
  const { db, house, add, move, numbers, prune } = openHouse();
  await house.migrate();
  let last = 0;
  const expectLater = (): void => {
    const newest = numbers().at(-1) ?? 0;
    expect(newest).toBeGreaterThan(last);
    last = newest;
  };
  for (const id of ["a", "b"]) add(id);
  for (let round = 0; round < 3; round++) {
    for (const id of ["a", "b"]) {
      for (const event of ["turn", "shut", "shut", "unlock"] as const) {
        move("door", id, event);
        expectLater();
        await prune();
      }
      move("lid", id, "turn");
      expectLater();
      await prune();
    }
    // The row of the highest number goes, with and without another of its id after it.
    db.exec("DELETE FROM door WHERE id = 'b'");
    await prune();
    expect(numbers().at(-1)).toBe(last);
    add("b");
  }
  // Of each row and machine its last move only.
  expect(numbers()).toHaveLength(4);
});

it("keeps the history that was there while another table remembered the last number", async () => {
  const { db, house, add, move, numbers } = openHouse();
  migrateBefore(db, "0009-history");
  add("a");
  for (const event of ["turn", "turn", "shut", "shut"] as const) move("door", "a", event);
  db.exec("DELETE FROM makegood_machine_history WHERE seq = 2");
  const all = "SELECT * FROM makegood_machine_history ORDER BY seq";
  const before = db.prepare(all).all();
  expect(before).toHaveLength(3);
  await house.migrate();
  expect(db.prepare(all).all()).toEqual(before);
  move("door", "a", "unlock");
  expect(numbers()).toEqual([1, 3, 4, 5]);
});
