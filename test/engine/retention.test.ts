import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { job, makegood, participant } from "makegood";
import { nodeSqlite, sqlite } from "makegood/sqlite";
import { expect, it } from "vitest";
import { quietLog } from "./harness.ts";

const dayMs = 86_400_000;

it("what is past its retention goes with its barrier rows; its key still answers", async () => {
  const folder = mkdtempSync(join(tmpdir(), "makegood-retention-"));
  const database = new DatabaseSync(join(folder, "far.db"));
  const far = participant("far", nodeSqlite(database));
  const place = job("place", { key: () => "A-17" }, async (ctx) => {
    await ctx.tx(far, "effect", { run: () => 1, compensate: () => {} });
  });
  let laterMs = 0;
  const newApp = () => {
    const clock = { now: () => Date.now() + laterMs };
    const app = makegood({ store: sqlite(join(folder, "engine.db"), { clock }), participants: [far], log: quietLog });
    app.register(place);
    return app;
  };
  const barrierCount = () => database.prepare("SELECT count(*) AS n FROM makegood_barrier").get()?.["n"];

  const first = newApp();
  await first.migrate();
  await first.run();
  const { id } = await first.start(place, undefined);
  await first.execution(id).result();
  await first.stop();
  expect(barrierCount()).toBe(1);

  laterMs = 31 * dayMs;
  const second = newApp();
  await second.run();
  await expect.poll(() => second.find(id)).toBeNull();
  expect(barrierCount()).toBe(0);
  expect(await second.start(place, undefined)).toMatchObject({ id, isNew: false });
  await second.stop();

  laterMs = 130 * dayMs;
  const third = newApp();
  await third.run();
  await expect.poll(async () => (await third.start(place, undefined)).isNew, { timeout: 5_000 }).toBe(true);
  await third.stop();
  database.close();
  rmSync(folder, { recursive: true });
});

it("execution records that have expired go too, and the others stay", async () => {
  const folder = mkdtempSync(join(tmpdir(), "makegood-retention-"));
  const database = new DatabaseSync(join(folder, "far.db"));
  const far = participant("far", nodeSqlite(database));
  await far.migrate();
  database.exec("BEGIN IMMEDIATE");
  for (const key of ["old", "new"]) far.once(database, { scope: "pay", key }, () => key);
  database.exec("UPDATE makegood_execution_record SET expire_at = 1 WHERE record_key = 'old'; COMMIT");
  const keys = () => database.prepare("SELECT record_key AS key FROM makegood_execution_record").all();
  const app = makegood({ store: sqlite(join(folder, "engine.db")), participants: [far], log: quietLog });
  await app.migrate();
  await app.run();
  await expect.poll(keys).toEqual([{ key: "new" }]);
  await app.stop();
  database.close();
  rmSync(folder, { recursive: true });
});
