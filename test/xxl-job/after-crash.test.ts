// What a process that died left in its folder, and what the next one makes of it.

import { type XxlFunctionOptions, xxlHandler } from "makegood/xxl-job";
import { expect, it, vi } from "vitest";
import { Records } from "../../src/executor/xxl-job/records.ts";
import type { TriggerRequest } from "../../src/protocol/xxl-job/requests.ts";
import { newFolder, startScene } from "./scene.ts";

const minuteMs = 60_000;
const trigger = (logId: number): TriggerRequest => ({
  jobId: logId,
  logId,
  logDateTime: 1_790_000_000_123,
  handler: "echo",
  param: "p",
  blockStrategy: "SERIAL_EXECUTION",
  timeoutSeconds: 0,
  glueType: "BEAN",
  glueSource: "",
  shardIndex: 0,
  shardTotal: 1,
});

/** One run was left, in a state, some time ago; returns what is called back, and whether it was run. */
async function afterCrash(
  left: "queued" | "running" | "done",
  {
    agoMs = 0,
    name = "echo",
    ...options
  }: XxlFunctionOptions & { readonly agoMs?: number; readonly name?: string } = {},
) {
  const folder = newFolder();
  const records = new Records(folder);
  records.insert(
    { trigger: trigger(1), isNewest: false, at: Date.now() - agoMs },
    left === "queued" ? "queued" : "running",
  );
  if (left === "done") records.finish(1, 200, "ended before", Date.now());
  records.close();
  const run = vi.fn(() => "ran after");
  const scene = await startScene({ folder, jobs: { [name]: xxlHandler(run, options) } });
  const { handleCode, handleMsg } = await scene.callback(1);
  return { code: handleCode, message: handleMsg, runCount: run.mock.calls.length };
}

it("a function that was running is called back as failed, and not run again by itself", async () => {
  expect(await afterCrash("running")).toEqual({
    code: 500,
    message: expect.stringContaining("its effect is unknown"),
    runCount: 0,
  });
});

it("a function that may be repeated is", async () => {
  expect(await afterCrash("running", { afterCrash: "repeat" })).toEqual({
    code: 200,
    message: "ran after",
    runCount: 1,
  });
});

it("what waited is run", async () => {
  expect(await afterCrash("queued")).toEqual({ code: 200, message: "ran after", runCount: 1 });
});

it("what waited for more than 10 minutes is not: the admin may have started another in its place", async () => {
  expect(await afterCrash("queued", { agoMs: 11 * minuteMs })).toEqual({
    code: 500,
    message: expect.stringContaining("more than 10 minutes"),
    runCount: 0,
  });
});

it("what had ended and was not told is told", async () => {
  expect(await afterCrash("done")).toEqual({ code: 200, message: "ended before", runCount: 0 });
});

it("what belongs to a handler that is gone is called back as failed", async () => {
  expect(await afterCrash("queued", { name: "other" })).toMatchObject({
    code: 500,
    message: "job handler [echo] is not here any more",
  });
});

it("a folder of a newer version is refused", async () => {
  const folder = newFolder();
  const { DatabaseSync } = await import("node:sqlite");
  const database = new DatabaseSync(`${folder}/executor.db`);
  database.exec("PRAGMA user_version = 3");
  database.close();
  await expect(startScene({ folder, jobs: { echo: xxlHandler(() => {}) } })).rejects.toMatchObject({
    code: "STORE_SCHEMA",
  });
});
