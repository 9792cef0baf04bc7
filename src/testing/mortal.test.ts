import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { type AnyJob, type App, every, job, makegood, participant, type Store } from "makegood";
import { nodeSqlite, sqlite } from "makegood/sqlite";
import { type Mortal, mortal } from "makegood/testing";
import { afterEach, beforeEach, describe, expect, it } from "vitest";

let folder: string;
let ends: (() => unknown)[] = [];

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "makegood-mortal-"));
  ends = [() => rmSync(folder, { recursive: true, force: true })];
});
afterEach(async () => {
  for (const end of ends.reverse()) await end();
});

const newStore = (): Store => sqlite(join(folder, "engine.db"));

function mortalStore(): Mortal {
  const life = mortal(newStore());
  ends.push(() => life.close());
  return life;
}

function appOn(store: Store, ...jobs: readonly AnyJob[]): App {
  const app = makegood({ store, workerName: "w", poll: "20ms" });
  app.register(...jobs);
  return app;
}

function survivor(...jobs: readonly AnyJob[]): App {
  const app = appOn(newStore(), ...jobs);
  ends.push(() => app.stop({ graceMs: 0 }));
  return app;
}

describe("a mortal store", () => {
  it("does nothing to one who lives", async () => {
    const life = mortalStore();
    const points: string[] = [];
    life.onPoint = (point, call) => points.push(`${point} ${call}`);
    const add = job("add", {}, async () => 3);
    const app = appOn(life.store, add);
    await app.run();
    expect(await (await app.start(add, undefined)).result()).toBe(3);
    await app.stop();
    expect(life.isDead).toBe(false);
    expect(points.slice(0, 2)).toEqual(["1 before workers.register", "2 after workers.register"]);
    expect(points).toContainEqual(expect.stringMatching(/^\d+ before executions\.commit$/));
  });

  it("answers nobody after death: what was asked before neither resolves nor rejects", async () => {
    const life = mortalStore();
    await life.store.open();
    const heard: string[] = [];
    life.onPoint = (_point, call) => {
      if (call === "after reads.find") life.kill();
    };
    void life.store.reads.find("no id at all").then(
      () => heard.push("resolved"),
      () => heard.push("rejected"),
    );
    void life.store.reads.countByStatus("default").then(() => heard.push("counted"));
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(heard).toEqual([]);
    expect(life.isDead).toBe(true);
  });

  it("fires no schedule after death", async () => {
    const life = mortalStore();
    let count = 0;
    const tick = job("tick", { on: [every("1s")] }, () => void count++);
    const doomed = appOn(life.store, tick);
    await doomed.run();
    await expect.poll(() => count).toBe(1);
    life.kill();
    const app = survivor();
    await app.open();
    const before = (await app.list()).length;
    await new Promise((resolve) => setTimeout(resolve, 2_200));
    expect(await app.list()).toHaveLength(before);
  });

  it("killed at every point of a saga in turn, a second worker ends it with each effect once", async () => {
    const db = new DatabaseSync(join(folder, "engine.db"), { timeout: 50 });
    ends.push(() => db.close());
    db.exec("PRAGMA journal_mode = WAL; CREATE TABLE book (run INTEGER, what TEXT)");
    const calls: string[] = [];
    const book = participant("book", nodeSqlite(db));
    const place = job("place", {}, async (ctx) => {
      const note = (what: string) => (tx: DatabaseSync) =>
        void tx.prepare("INSERT INTO book VALUES (?, ?)").run(current, what);
      await ctx.tx(book, "first", { run: note("first"), compensate: note("undo first") });
      await ctx.step("call", { run: ({ key }) => void calls.push(key), compensate: () => {} });
      await ctx.tx(book, "second", { run: note("second"), compensate: note("undo second") });
    });
    const maxPoints = 200;
    let current = 0;
    for (let killAt = 1; killAt <= maxPoints; killAt++) {
      current = killAt;
      calls.length = 0;
      const life = mortalStore();
      const dead = new Promise<"dead">((resolve) => {
        life.onPoint = (point) => {
          if (point !== killAt) return;
          life.kill();
          resolve("dead");
        };
      });
      const doomed = appOn(life.store, place);
      const ran = doomed
        .run()
        .then(() => doomed.start(place, undefined))
        .then((execution) => execution.result());
      const end = await Promise.race([dead, ran.then(() => "alive" as const)]);
      life.onPoint = () => {};
      if (end === "alive") {
        await doomed.stop({ graceMs: 0 });
        expect(killAt).toBeGreaterThan(8);
        return;
      }
      const app = survivor(place);
      await app.run();
      for (const { id } of await app.list({ job: "place", statuses: ["ready", "running"] }))
        expect((await app.execution(id).outcome()).state).toBe("completed");
      await app.stop({ graceMs: 0 });
      const rows = db.prepare("SELECT what FROM book WHERE run = ? ORDER BY rowid").all(killAt);
      expect([[], ["first", "second"]]).toContainEqual(rows.map((row) => row["what"]));
      expect(new Set(calls).size).toBeLessThanOrEqual(1);
    }
    throw new Error(`Expected the saga to have fewer than ${maxPoints} points`);
  });
});
