import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import type { Place } from "../../bench/contender.ts";
import { cloneExecution } from "../../bench/seed.ts";
import { withWorkingApp } from "../../bench/store.ts";
import { threeSteps } from "../../bench/suites/steps.ts";
import { describeWithPostgres } from "../services/describe.ts";

const count = 250;

async function expectCopies(place: Place): Promise<void> {
  const id = await withWorkingApp(place, [threeSteps], async (app) => {
    const execution = await app.start(threeSteps, undefined);
    await execution.result();
    return execution.id;
  });
  await cloneExecution(place, id, count);
  await withWorkingApp(place, [threeSteps], async (app) => {
    expect((await app.counts()).completed).toBe(1 + count);
    const [newest, next] = await app.list({ limit: 2 });
    expect(newest?.id).toBe(id);
    expect(next?.createdAt).toBe((newest?.createdAt ?? 0) - 1);
    expect(await app.execution(next?.id ?? "").result()).toBe(3);
    const stepsOf = async (of: string) => (await app.history(of)).journal.map(({ step }) => step);
    expect(await stepsOf(next?.id ?? "")).toEqual(await stepsOf(id));
  });
}

describe("copies of an execution in SQLite", () => {
  it("are executions like their original", async () => {
    const folder = mkdtempSync(join(tmpdir(), "makegood-seed-"));
    await expectCopies({ url: join(folder, "bench.db"), folder });
    rmSync(folder, { recursive: true });
  });
});

describeWithPostgres("copies of an execution in PostgreSQL", (database) => {
  it("are executions like their original", () => expectCopies({ url: database.url, folder: "" }));
});
