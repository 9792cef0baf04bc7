import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type ChecklistReport, makegood } from "makegood";
import { sqlite } from "makegood/sqlite";
import { afterAll, describe, expect, it } from "vitest";
import { runCli } from "../../src/cli/testing/run-cli.ts";
import { send } from "./bad-jobs.ts";

const folder = mkdtempSync(join(tmpdir(), "makegood-checklist-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const good = join(import.meta.dirname, "good-jobs.ts");
const bad = join(import.meta.dirname, "bad-jobs.ts");

const run = (...args: readonly string[]) => runCli("checklist", ...args);

describe("makegood checklist", () => {
  it("finds the jobs of an app, and ends with 0 where nothing is wrong", async () => {
    const { code, out, error } = await run(good);
    expect({ code, error }).toEqual({ code: 0, error: "" });
    expect(out).toMatch(/^pay, version 1: :pivot · paid\n {2}✓ executed before\? derived {2}its key is ‹input\.id›/);
    expect(out).toMatch(/✓ transitions\? {5}declared moved by the machine order, .*; a hint: "paid" may move its row/);
    expect(out).toMatch(/✓ level {12}strict: everything is one transaction/);
    expect(out).toMatch(/\n1 job: 0 errors, 0 warnings\n$/);
  });

  it("finds lists of jobs with their samples, and ends with 1 for an error", async () => {
    const { code, out } = await run(bad);
    expect(code).toBe(1);
    expect(out).toMatch(
      / {2}✗ idempotent\? {6}derived\n {6}error RETRY_WITHOUT_KEY: step "text message" is tried up to 4 /,
    );
    expect(out).toMatch(/→ Hand `key` on/);
    expect(out).toMatch(/see docs\/jobs\.md#steps/);
    expect(out).toMatch(/nothing, version 1: no steps seen\n {2}! executed before\? unknown\n {6}warning NO_KEY/);
  });

  it("prints the same as JSON", async () => {
    const { out } = await run("--json", good, bad);
    const report = JSON.parse(out) as ChecklistReport;
    expect(report).toMatchObject({ severity: "error", jobs: [{ job: "pay" }, { job: "send" }, { job: "nothing" }] });
    for (const { points } of report.jobs) expect(points).toHaveLength(7);
  });

  it("says what executions in a store show", async () => {
    const file = join(folder, "engine.db");
    const app = makegood({ store: sqlite(file) });
    app.register(send);
    await app.run();
    for (const id of ["A-17", "A-18"]) await (await app.start(send, { id })).result();
    await app.stop();
    const { out } = await run("--store", file, bad);
    expect(out).toMatch(/2 executions of it in the store/);
    expect((await run("--store", file, "--namespace", "other", bad)).out).toMatch(/0 executions of it in the store/);
  });

  it("loads the modules twice, and so finds keys that are others in each process", async () => {
    const made = "export const a = { name: 'a', version: 1, options: { key: () => key }, handler() {} };";
    const { code, out } = await run(fileOf("boot.mjs", `const key = crypto.randomUUID(); ${made}`));
    expect(code).toBe(1);
    expect(out).toMatch(/error KEY_UNSTABLE: the key of one input is/);
  });

  it("says so where a module cannot be loaded twice", async () => {
    const once = "if (globalThis.isLoaded) throw new Error('there is one already'); globalThis.isLoaded = true;";
    const made = "export const a = { name: 'a', version: 1, options: {}, handler() {} };";
    const { code, error } = await run(fileOf("once.mjs", `${once} ${made}`));
    expect(code).toBe(0);
    expect(error).toMatch(/cannot be loaded twice: .*once\.mjs: there is one already/);
  });

  const fileOf = (name: string, text: string): string => {
    const file = join(folder, name);
    writeFileSync(file, text);
    return file;
  };
  it.each<readonly [string, () => readonly string[], RegExp]>([
    ["no module", () => [], /expected a module that exports jobs, found none/],
    ["a module that is not there", () => ["none.ts"], /found no file .*none\.ts/],
    [
      "a module without jobs",
      () => [fileOf("none.mjs", "export const a = 1;")],
      /none\.mjs to export jobs, .* found none/,
    ],
    [
      "a module that fails",
      () => [fileOf("fails.mjs", "throw new TypeError('no');")],
      /fails\.mjs cannot: TypeError: no/,
    ],
    ["an unknown option", () => ["--frobnicate", bad], /Unknown option '--frobnicate'/],
    ["a namespace without a store", () => ["--namespace", "a", bad], /--namespace: expected --store/],
    ["a store of another kind", () => ["--store", "redis://localhost", bad], /--store: expected/],
    [
      "samples of another form",
      () => [
        fileOf(
          "samples.mjs",
          "export const a = { name: 'a', version: 1, options: {}, handler() {} }; export const checklistSamples = { a: 1 };",
        ),
      ],
      /checklistSamples of .* to be lists of inputs/,
    ],
    [
      "samples of another job",
      () => [
        fileOf(
          "other.mjs",
          "export const a = { name: 'a', version: 1, options: {}, handler() {} }; export const checklistSamples = { b: [1] };",
        ),
      ],
      /samples: expected names of the jobs, found "b"/,
    ],
  ])("ends with 2 and says what was expected for %s", async (_, args, message) => {
    const { code, out, error } = await run(...args());
    expect({ code, out }).toEqual({ code: 2, out: "" });
    expect(error).toMatch(message);
  });
});
