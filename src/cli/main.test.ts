import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import { describeWithMariadb } from "../../test/services/describe.ts";
import { runCli } from "./testing/run-cli.ts";

const firstLine = (text: string) => text.split("\n")[0];

test("--help lists the commands, --version shows the package's version", async () => {
  expect(await runCli("--help")).toMatchObject({
    code: 0,
    out: expect.stringMatching(/demo {2,}\S.*\n(?:.*\n)*.*migrate {2,}\S/),
  });
  expect(await runCli("--version")).toMatchObject({ code: 0, out: expect.stringMatching(/^\d+\.\d+\.\d+\n$/) });
});

test("--help behind a command shows what it takes", async () => {
  expect(await runCli("demo", "--kills", "3", "--help")).toMatchObject({
    code: 0,
    out: expect.stringContaining("--unguarded"),
  });
  expect(await runCli("migrate", "-h")).toMatchObject({
    code: 0,
    out: expect.stringContaining("Usage: makegood migrate"),
  });
});

describe("wrong arguments end with exit code 2 and say what was expected:", () => {
  test.each([
    [[], "makegood: expected a command, found none."],
    [
      ["frobnicate"],
      'makegood: expected a command (demo, serve, schedules, start, executions, import, checklist, migrate), found the unknown command "frobnicate". See `makegood --help`.',
    ],
    [
      ["--frobnicate"],
      'makegood: expected a command (demo, serve, schedules, start, executions, import, checklist, migrate), found the unknown option "--frobnicate". See `makegood --help`.',
    ],
    [["serve"], /serve: expected --xxl-job NAME=TOKEN at least once, found none/],
    [
      ["serve", "--xxl-job", "a=default_token", "--scripts"],
      /groups: expected an access token of your own for a where scripts/,
    ],
    [["serve", "--xxl-job", "a=b", "--zone", "Mars/Olympus"], /OPTION_INVALID: .*zone.*"Mars\/Olympus"/],
    [["demo", "--frobnicate"], "makegood: Unknown option '--frobnicate'. See `makegood demo --help`."],
    [["demo", "orders.csv"], /Unexpected argument 'orders.csv'.*See `makegood demo --help`\.$/],
    [["demo", "--orders"], /'--orders <value>' argument missing.*See `makegood demo --help`\.$/],
    [["demo", "--json=yes"], /'--json' does not take an argument.*See `makegood demo --help`\.$/],
    [["demo", "--kills", "1.5"], 'makegood: --kills: expected a whole number from 0 to 1000, found "1.5".'],
    [["demo", "--kills", "1001"], 'makegood: --kills: expected a whole number from 0 to 1000, found "1001".'],
    [["demo", "--kills=-1"], 'makegood: --kills: expected a whole number from 0 to 1000, found "-1".'],
    [["demo", "--kills", ""], 'makegood: --kills: expected a whole number from 0 to 1000, found "".'],
    [
      ["demo", "--orders", "no-such-file.csv"],
      /--orders: expected a file that can be read, found: ENOENT.*no-such-file\.csv/,
    ],
    [["demo", "--orders", "."], /--orders: expected a file that can be read, found: EISDIR/],
    [
      ["demo", "--orders", "package.json"],
      /--orders package\.json: expected the column InvoiceNo, StockCode, Quantity, UnitPrice, CustomerID, found /,
    ],
    [
      ["demo", "--store", "oracle://localhost/shop"],
      /--store: expected .*, found an address of the unknown kind "oracle:"/,
    ],
    [
      ["demo", "--store", "no-such-folder/engine.db"],
      /--store: expected a file in a folder that exists, found .*no-such-folder/,
    ],
    [["demo", "--store", "src"], /--store: expected a file, found a folder/],
    [
      ["migrate", "--store", "redis://localhost"],
      /--store: expected .*, found an address of the unknown kind "redis:"/,
    ],
    [["migrate", "--kills", "1"], "makegood: Unknown option '--kills'. See `makegood migrate --help`."],
  ] as const)("%j", async (args, message) => {
    const { code, out, error } = await runCli(...args);
    expect(firstLine(error)).toMatch(message);
    expect({ code, out }).toEqual({ code: 2, out: "" });
  });
});

test("migrate prepares a store, or a participant, and is safe twice", async () => {
  const folder = mkdtempSync(join(tmpdir(), "makegood-cli-"));
  const file = join(folder, "shop.db");
  expect(await runCli("migrate", "--store", file)).toMatchObject({
    code: 0,
    out: expect.stringMatching(/^applied 0001-initial\n(?:applied .*\n)+.*is up to date/),
  });
  expect(await runCli("migrate", "--store", file)).toMatchObject({
    code: 0,
    out: expect.stringMatching(/^[^\n]*is up to date\.\n$/),
  });
  for (let time = 0; time < 2; time++)
    expect(await runCli("migrate", "--participant", `sqlite:${file}`)).toMatchObject({
      code: 0,
      out: expect.stringContaining("participant's tables"),
    });
  expect(tablesOf(file)).toEqual(expect.arrayContaining(["makegood_execution", "makegood_barrier"]));
  expect((await runCli("migrate", "--store", file, "--participant", file)).code).toBe(2);
  expect((await runCli("migrate", "--store", file, "--sql", "sqlite")).code).toBe(2);
  rmSync(folder, { recursive: true });
});

describeWithMariadb("migrate on MariaDB", (database) => {
  test("prepares a participant, and is safe twice", async () => {
    for (let time = 0; time < 2; time++)
      expect(await runCli("migrate", "--participant", database.url)).toMatchObject({
        code: 0,
        out: expect.stringContaining("participant's tables"),
        error: "",
      });
  });
});

test("migrate prints a participant's statements, for those who run their own migrations", async () => {
  for (const dialect of ["postgres", "mysql", "sqlite"]) {
    const { code, out } = await runCli("migrate", "--sql", dialect);
    expect(code).toBe(0);
    expect(out).toMatch(/^CREATE [\s\S]*CREATE TABLE [\s\S]*makegood.barrier [\s\S]*'0001-barrier'\);\n/);
  }
  expect(await runCli("migrate", "--sql", "mssql")).toMatchObject({ code: 2 });
});

function tablesOf(file: string): readonly unknown[] {
  const database = new DatabaseSync(file);
  const names = database.prepare("SELECT name FROM sqlite_schema WHERE type = 'table'").all();
  database.close();
  return names.map(({ name }) => name);
}

const program = fileURLToPath(new URL("./makegood.ts", import.meta.url));

test("ends in silence when its reader stops early, as head does", () => {
  const command = `"${process.execPath}" --disable-warning=ExperimentalWarning "${program}" schedules next '* * * * * ?' --count 1000 | head -1`;
  const { stdout, stderr } = spawnSync("/bin/sh", ["-c", command], { encoding: "utf8" });
  expect(stdout.split("\n")).toHaveLength(2);
  expect(stderr).toBe("");
});

test("on a Node that is too old it says so, and which one it needs", () => {
  const old = "Object.defineProperty(process, 'versions', { value: { ...process.versions, node: '22.22.9' } })";
  const { status, stderr } = spawnSync(
    process.execPath,
    ["--import", `data:text/javascript,${encodeURIComponent(old)}`, program, "--version"],
    { encoding: "utf8" },
  );
  expect([status, stderr]).toEqual([1, "makegood: expected Node 22.23 or later, found 22.22.9; install a later one\n"]);
});
