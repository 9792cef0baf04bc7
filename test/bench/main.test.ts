import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { suites } from "../../bench/suites.ts";
import { root } from "../package/doc-tables.ts";
import { describeWithMariadb, describeWithPostgres } from "../services/describe.ts";

const bench = (...args: readonly string[]) =>
  spawnSync(process.execPath, ["--disable-warning=ExperimentalWarning", "bench/main.ts", ...args], {
    cwd: root,
    encoding: "utf8",
  });

describe("the benchmark", () => {
  it("prints one line of JSON per suite and store, with the share of the floor", () => {
    const { stdout, stderr, status } = bench(
      ...["steps", "tx", "--case", "steps/256", "--case", "64", "--store", "sqlite", "--floor"],
      ...["--runs", "1", "--count", "64", "--json"],
    );
    expect(status, stderr).toBe(0);
    const lines = stdout.trim().split("\n");
    const [steps, tx] = lines.map((line) => JSON.parse(line));
    expect(lines).toHaveLength(2);
    expect(steps).toMatchObject({ suite: "steps", store: "sqlite", peers: {}, ratios: { "256": {} } });
    expect(steps.ours["256"]).toMatchObject({ count: 64, median: expect.any(Number) });
    expect(steps.shares["256"].median).toBeCloseTo(steps.ours["256"].median / steps.floor["256"].median);
    expect(tx.ours["64"].commitsPerUnit).toBeGreaterThan(3);
  });

  it.each([
    [[], "Expected a suite, found none"],
    [["stepps"], `Expected one of the suites ${suites.map(({ name }) => name).join(", ")}, all, found "stepps"`],
    [["steps", "--runs", "0"], '--runs: expected a whole number from 1, found "0"'],
    [["steps", "--case", "512"], '--case: expected one of steps/256, steps/1, found "512"'],
    [["steps", "--store", "oracle://me:secret@there/db"], 'found "oracle:"'],
    [["steps", "--store", "postgres", "--store", "postgres://there/db"], "expected each kind of store once"],
    [["steps", "--contender", "nobody"], 'expected a part of one of these names, found "nobody": makegood'],
    [["steps", "--fast"], "Unknown option '--fast'"],
  ])("refuses %j with what was expected and found, and exit code 2", (args, message) => {
    const { stdout, stderr, status } = bench(...args);
    expect(stderr).toContain(message);
    expect(stderr).not.toContain("secret");
    expect([stdout, status]).toEqual(["", 2]);
  });

  it("names every suite in its help, and on the page of the figures", () => {
    const { stdout, status } = bench("--help");
    expect(status).toBe(0);
    const page = readFileSync(`${root}/docs/performance.md`, "utf8");
    for (const { name } of suites) for (const text of [stdout, page]) expect(text).toContain(name);
  });
});

/** What a sample checks of its own results is checked here too: a wrong one ends in an exit code. */
function expectAll(caseIds: readonly string[], ...args: readonly string[]): void {
  const { stdout, stderr, status } = bench(...args, "--runs", "1", "--json");
  expect(status, stderr).toBe(0);
  const results = stdout
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line));
  const found = results.flatMap(({ suite, ours }) => Object.keys(ours).map((id) => `${suite}/${id}`));
  expect(found.toSorted()).toEqual(caseIds.toSorted());
}

describeWithMariadb("the benchmark on MariaDB", (database) => {
  it("does what needs a database of the user's own", () => {
    const all = [
      "tx/64",
      "once/1",
      "once/32",
      "outbox/end-to-end-64",
      "machine/bare",
      "machine/move",
      "lock/32",
      "lock/1",
    ];
    expectAll(all, "tx", "once", "outbox", "machine", "lock", "--count", "20", "--store", database.url);
  });

  it("knows a key by hand to compare with", () => {
    const args = ["once", "--floor", "--contender", "by hand", "--store", database.url, "--count", "20", "--runs", "1"];
    const { stdout, stderr, status } = bench(...args);
    expect(status, stderr).toBe(0);
    expect(stdout).toContain("unique key by hand");
  });
});

const cases = ["beside-1e3", "run-1e3"] as const;
const fires = ["schedules", ...cases.flatMap((id) => ["--case", id]), "--count", "4000"];
const fireCases = cases.map((id) => `schedules/${id}`);

describe("the benchmark of schedules on SQLite", () => {
  it("counts every fire", () => expectAll(fireCases, ...fires, "--store", "sqlite"));
});
describeWithPostgres("the benchmark of schedules on PostgreSQL", (database) => {
  it("counts every fire", () => expectAll(fireCases, ...fires, "--store", database.url));
});
