import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import pg from "pg";
import { afterAll, afterEach, beforeEach, describe, expect, test } from "vitest";
import { describeWithMariadb, describeWithPostgres } from "../../../test/services/describe.ts";
import { expectFrom } from "./expected.ts";
import { generateRows } from "./generate.ts";
import { type Intake, type Row, readRows, takeIn } from "./orders.ts";

// The demo as a user runs it, in a process of its own: exit codes, output, what it leaves behind.

const root = resolve(import.meta.dirname, "../../..");
const realOrders = resolve(root, "../shared/data/online-retail.csv");
const demoMs = 300_000;

let folder = "";
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "makegood-demo-test-"));
});
afterEach(() => {
  rmSync(folder, { recursive: true, force: true });
});

function startDemo(...args: readonly string[]): ChildProcess {
  const temporary = { TMPDIR: folder, TMP: folder, TEMP: folder };
  return spawn(process.execPath, ["--disable-warning=ExperimentalWarning", "src/cli/makegood.ts", "demo", ...args], {
    cwd: root,
    env: { ...process.env, ...temporary },
    stdio: ["ignore", "pipe", "pipe"],
  });
}

async function runDemo(...args: readonly string[]) {
  const child = startDemo(...args);
  const output = { out: "", error: "" };
  child.stdout?.setEncoding("utf8").on("data", (text: string) => {
    output.out += text;
  });
  child.stderr?.setEncoding("utf8").on("data", (text: string) => {
    output.error += text;
  });
  const [code] = await once(child, "close");
  return { code, ...output, json: jsonOf(output.out) };
}

function jsonOf(out: string): Readonly<Record<string, number>> {
  const last = out.trimEnd().split("\n").at(-1) ?? "";
  return last.startsWith("{") ? JSON.parse(last) : {};
}

function writeOrders(rows: readonly Row[]): string {
  const path = join(folder, "orders.csv");
  const lines = rows.map((it) => [
    it.invoiceNo,
    it.stockCode,
    `"A ""LAMP"", WHITE"`,
    it.quantity,
    "2010-12-01",
    it.unitPrice,
    it.customerId,
  ]);
  writeFileSync(
    path,
    `InvoiceNo,StockCode,Description,Quantity,InvoiceDate,UnitPrice,CustomerID\r\n${lines.map((it) => it.join(",")).join("\r\n")}\r\n`,
  );
  return path;
}

/** The line that the demo must end with, for kills that all took place. */
function rightFigures(intake: Intake, kills: number) {
  const { balances: _, movementCount: __, ...totals } = expectFrom(intake);
  const rejected = intake.rejected.length;
  const invoices = intake.orders.length + intake.cancellations.length + rejected;
  return {
    invoices,
    rejected,
    ...totals,
    parked: 0,
    unfinished: 0,
    appliedTwice: 0,
    kills,
    seconds: expect.any(Number),
  };
}

const rows = generateRows({ invoices: 40, seed: 65 });
const intake = takeIn(rows);
const rightAfter = (kills: number) => ({ code: 0, json: rightFigures(intake, kills) });

test("the orders of these tests hold all that the rules speak of", () => {
  const { completed, compensated, canceled } = expectFrom(intake);
  expect(Math.min(completed, compensated, canceled, intake.rejected.length)).toBeGreaterThan(0);
});

describe("on files", () => {
  test("every balance is right after three kills, and nothing is left behind", { timeout: demoMs }, async () => {
    const orders = writeOrders(rows);
    const run = await runDemo("--orders", orders, "--kills", "3", "--json");
    expect(run, run.error).toMatchObject(rightAfter(3));
    expect(run.out).toContain("Every balance is right after 3 kills");
    expect(readdirSync(folder)).toEqual(["orders.csv"]);
  });

  test("the keys of the last line are those that others read", { timeout: demoMs }, async () => {
    const { json } = await runDemo("--orders", writeOrders(rows), "--kills", "0", "--json");
    expect(Object.keys(json).join()).toBe(
      "invoices,rejected,completed,compensated,canceled,parked,kills,unitsTaken,unitsReturned,penceCharged,penceRefunded,points,appliedTwice,unfinished,seconds",
    );
  });

  test("a store that is named stays, and serves the next run too; --keep keeps the books", {
    timeout: demoMs,
  }, async () => {
    const orders = writeOrders(rows);
    const store = join(folder, "engine.db");
    expect(await runDemo("--orders", orders, "--store", store, "--kills", "1", "--json")).toMatchObject(rightAfter(1));
    expect(existsSync(store)).toBe(true);
    const second = await runDemo("--orders", orders, "--store", `sqlite:${store}`, "--kills", "1", "--json", "--keep");
    expect(second).toMatchObject(rightAfter(1));
    const kept = readdirSync(folder).find((it) => it.startsWith("makegood-demo-"));
    expect(readdirSync(join(folder, kept ?? "none"))).toEqual(
      expect.arrayContaining(["accounts.db", "orders.db", "stock.db"]),
    );
    expect(second.error).toContain(join(folder, kept ?? "none", "accounts.db"));
  });

  test("more kills than movements all find work to interrupt", { timeout: demoMs }, async () => {
    const [first] = intake.orders;
    const orders = writeOrders(rows.filter((it) => it.invoiceNo === first?.invoice));
    const run = await runDemo("--orders", orders, "--kills", "12", "--json");
    expect(run, run.error).toMatchObject({ code: 0, json: { kills: 12, completed: 1, appliedTwice: 0 } });
  });

  test("without the guard movements stand in the books twice, and the exit code says so", {
    timeout: demoMs,
  }, async () => {
    const run = await runDemo("--orders", writeOrders(rows), "--kills", "3", "--unguarded", "--json");
    expect(run, run.error).toMatchObject({ code: 1, json: { kills: 3, unfinished: 0, parked: 0 } });
    expect(run.json["appliedTwice"]).toBeGreaterThan(0);
    expect(run.out).toContain("This is what happens without the guard");
    expect(run.error).toContain("Kept:");
  });

  test("without kills the guard is not missed", { timeout: demoMs }, async () => {
    const run = await runDemo("--orders", writeOrders(rows), "--kills", "0", "--unguarded", "--json");
    expect(run, run.error).toMatchObject(rightAfter(0));
  });

  test("a file without orders is done at once", { timeout: demoMs }, async () => {
    const run = await runDemo("--orders", writeOrders([]), "--json");
    expect(run, run.error).toMatchObject({ code: 0, json: { invoices: 0, kills: 0, completed: 0 } });
    expect(run.out).toContain("of 20 asked for: there was no more work to interrupt");
  });

  test("Ctrl-C ends the worker and removes what was made", { timeout: demoMs }, async () => {
    const child = startDemo("--kills", "1000");
    let error = "";
    child.stderr?.setEncoding("utf8").on("data", (text: string) => {
      error += text;
      if (text.includes("[")) child.kill("SIGINT");
    });
    const [code] = await once(child, "close");
    expect(code, error).toBe(130);
    expect(error).toContain("Interrupted");
    expect(readdirSync(folder)).toEqual([]);
  });

  test.skipIf(!existsSync(realOrders))(
    `the real orders come out right${existsSync(realOrders) ? "" : " (skipped: ../shared/data is absent)"}`,
    { timeout: 300_000 },
    async () => {
      const real = takeIn(readRows(readFileSync(realOrders, "utf8")));
      const run = await runDemo("--orders", realOrders, "--json");
      expect(run, run.error).toMatchObject({ code: 0, json: rightFigures(real, 20) });
    },
  );
});

describeWithPostgres("on PostgreSQL", (database) => {
  // A run whose checks fail keeps its databases; here that is expected.
  afterAll(async () => {
    const client = new pg.Client({ connectionString: database.url });
    await client.connect();
    for (const name of keptDatabases) await client.query(`DROP DATABASE ${name} WITH (FORCE)`);
    await client.end();
  });
  const keptDatabases: string[] = [];

  const databasesLeft = async (): Promise<unknown[]> => {
    const client = new pg.Client({ connectionString: database.url });
    await client.connect();
    try {
      return (await client.query("SELECT datname FROM pg_database WHERE datname LIKE 'makegood_demo_%'")).rows;
    } finally {
      await client.end();
    }
  };

  test("every balance is right after three kills, twice on one store, and nothing is left behind", {
    timeout: demoMs,
  }, async () => {
    const orders = writeOrders(rows);
    for (let run = 1; run <= 2; run++) {
      const found = await runDemo("--orders", orders, "--store", database.url, "--kills", "3", "--json");
      expect(found, found.error).toMatchObject(rightAfter(3));
    }
    expect(await databasesLeft()).toEqual([]);
    expect(readdirSync(folder)).toEqual(["orders.csv"]);
  });

  test("without the guard movements stand in the books twice", { timeout: demoMs }, async () => {
    const run = await runDemo(
      "--orders",
      writeOrders(rows),
      "--store",
      database.url,
      "--kills",
      "3",
      "--unguarded",
      "--json",
    );
    keptDatabases.push(...(run.error.match(/makegood_demo_\w+/g) ?? []));
    expect(run, run.error).toMatchObject({ code: 1, json: { kills: 3 } });
    expect(run.json["appliedTwice"]).toBeGreaterThan(0);
    expect(keptDatabases).toHaveLength(3);
  });

  test("a server that cannot be reached is named, without its password", { timeout: demoMs }, async () => {
    const run = await runDemo("--store", "postgres://someone:secret@127.0.0.1:1/shop");
    expect(run.code).toBe(1);
    expect(run.error).toContain("STORE_UNAVAILABLE");
    expect(run.error).toContain("127.0.0.1:1");
    expect(run.error).not.toContain("secret");
    expect(readdirSync(folder)).toEqual([]);
  });
});

describeWithMariadb("on MariaDB, the books in files", (database) => {
  test("every balance is right after three kills, twice on one store, and nothing is left behind", {
    timeout: demoMs,
  }, async () => {
    const orders = writeOrders(rows);
    for (let run = 1; run <= 2; run++) {
      const found = await runDemo("--orders", orders, "--store", database.url, "--kills", "3", "--json");
      expect(found, found.error).toMatchObject(rightAfter(3));
    }
    expect(readdirSync(folder)).toEqual(["orders.csv"]);
  });

  test("a server that cannot be reached is named, without its password", { timeout: demoMs }, async () => {
    const run = await runDemo("--store", "mysql://someone:secret@127.0.0.1:1/shop");
    expect(run.code).toBe(1);
    expect(run.error).toContain("STORE_UNAVAILABLE");
    expect(run.error).toContain("127.0.0.1:1");
    expect(run.error).not.toContain("secret");
    expect(readdirSync(folder)).toEqual([]);
  });
});
