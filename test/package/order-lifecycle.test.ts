// The example that replays a marketplace's orders, on each database. What must come out is computed here by the rules alone,
// without a state machine.
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { describeWithMariadb, describeWithPostgres } from "../services/describe.ts";
import { run } from "./consumer.ts";
import { root } from "./doc-tables.ts";

const realOrders = resolve(root, "../shared/data/olist-orders.csv");
const isAbsent = !existsSync(realOrders);
const folder = mkdtempSync(join(tmpdir(), "makegood-orders-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const example = (...args: readonly string[]) =>
  run(process.execPath, [join(root, "examples", "run.mjs"), "order-lifecycle", ...args], { cwd: folder });

async function reportOf(orders: string, store: string): Promise<unknown> {
  const ended = await example("--orders", orders, "--store", store, "--json");
  expect(ended).toMatchObject({ code: 0, stderr: "" });
  return JSON.parse(ended.stdout);
}

const header =
  "order_id,customer_id,order_status,order_purchase_timestamp,order_approved_at,order_delivered_carrier_date,order_delivered_customer_date,order_estimated_delivery_date";
const fileOf = (name: string, ...rows: readonly string[]): string => {
  const file = join(folder, name);
  writeFileSync(file, [header, ...rows, ""].join("\n"));
  return file;
};

/** One row for each thing that can be. */
const few = (): string =>
  fileOf(
    "few.csv",
    "straight,c,delivered,1/1/2018 9:00,1/1/2018 10:00,1/2/2018 9:00,1/3/2018 9:00,1/9/2018 0:00",
    // Shipped and delivered before it is approved: both refused.
    "early,c,delivered,1/1/2018 9:00,1/5/2018 10:00,1/2/2018 9:00,1/3/2018 9:00,1/9/2018 0:00",
    // Of one time: in the order listed.
    "tied,c,delivered,1/1/2018 9:00,1/1/2018 9:00,1/1/2018 9:00,1/1/2018 9:00,1/9/2018 0:00",
    // Created first although its time is the last.
    "late,c,shipped,12/31/2018 9:00,1/1/2018 9:00,1/2/2018 9:00,,1/9/2018 0:00",
    "canceled,c,canceled,1/1/2018 9:00,,,,1/9/2018 0:00",
    // Canceled when it was shipped: refused.
    "gone,c,canceled,1/1/2018 9:00,1/1/2018 10:00,1/2/2018 9:00,,1/9/2018 0:00",
    "unavailable,c,unavailable,1/1/2018 9:00,1/1/2018 10:00,,,1/9/2018 0:00",
    "processing,c,processing,1/1/2018 9:00,1/1/2018 10:00,,,1/9/2018 0:00",
    // Invoiced before it is approved: refused.
    "invoiced,c,invoiced,1/1/2018 9:00,,,,1/9/2018 0:00",
  );
const reportOfFew = {
  orders: 9,
  events: 29,
  applied: 25,
  refused: 4,
  duplicates: 29,
  finalStates: { approved: 2, canceled: 1, created: 1, delivered: 2, shipped: 2, unavailable: 1 },
};

describe("the orders of a marketplace", () => {
  it("are driven by their events, each once, on SQLite", async () => {
    expect(await reportOf(few(), join(folder, "few.db"))).toEqual(reportOfFew);
  });

  it("are driven again by a second run, apart from those of the first", async () => {
    expect(await reportOf(few(), join(folder, "few.db"))).toEqual(reportOfFew);
  });

  it("are told to people without --json", async () => {
    const { stdout } = await example("--orders", few());
    expect(stdout).toMatch(
      /^9 orders, 29 events, each delivered twice: 25 applied, 4 refused, 29 duplicates\n {2}appr/,
    );
  });

  it.skipIf(isAbsent)(
    `come out right, the real ones, on SQLite${isAbsent ? " (skipped: ../shared/data is absent)" : ""}`,
    async () => expect(await reportOf(realOrders, join(folder, "real.db"))).toEqual(expectedOf(realOrders)),
    120_000,
  );
});

describeWithPostgres("the orders of a marketplace", (database) => {
  it("are driven by their events, each once", async () => {
    expect(await reportOf(few(), database.url)).toEqual(reportOfFew);
  });
  it.skipIf(isAbsent)(
    `come out right, the real ones${isAbsent ? " (skipped: ../shared/data is absent)" : ""}`,
    async () => expect(await reportOf(realOrders, database.url)).toEqual(expectedOf(realOrders)),
    120_000,
  );
});

describeWithMariadb("the orders of a marketplace", (database) => {
  it("are driven by their events, each once", async () => {
    expect(await reportOf(few(), database.url)).toEqual(reportOfFew);
  });
  it.skipIf(isAbsent)(
    `come out right, the real ones${isAbsent ? " (skipped: ../shared/data is absent)" : ""}`,
    async () => expect(await reportOf(realOrders, database.url)).toEqual(expectedOf(realOrders)),
    120_000,
  );
});

describe("bad input of the example ends with exit code 2 and says what was expected:", () => {
  const good = "a,c,delivered,1/1/2018 9:00,,,,";
  it.each<readonly [string, () => readonly string[], RegExp]>([
    ["an unknown option", () => ["--orders", few(), "--frobnicate"], /Unknown option '--frobnicate'/],
    ["an argument too many", () => ["--orders", few(), "orders.csv"], /Unexpected argument 'orders.csv'/],
    ["no file", () => [], /expected --orders FILE, found none/],
    ["a file that is not there", () => ["--orders", "none.csv"], /expected a file that can be read, found: ENOENT/],
    [
      "a store of another kind",
      () => ["--orders", few(), "--store", "redis://localhost"],
      /--store: expected a file, postgres:\/\/ or mysql:\/\/, found an address of the unknown kind "redis:"/,
    ],
    ["a missing column", () => ["--orders", join(root, "package.json")], /line 1: expected the column order_id/],
    ["a row cut short", () => ["--orders", fileOf("bad.csv", good, "b,c")], /line 3: expected 8 fields, found 2/],
    [
      "an order twice",
      () => ["--orders", fileOf("bad.csv", good, "", good)],
      /line 4: expected each order once, found a/,
    ],
    ["no order id", () => ["--orders", fileOf("bad.csv", good.slice(1))], /line 2: expected an order_id/],
    [
      "an unknown status",
      () => ["--orders", fileOf("bad.csv", good.replace("delivered", "lost"))],
      /line 2: expected an order_status of .*, found "lost"/,
    ],
    [
      "a day that is not in the calendar",
      () => ["--orders", fileOf("bad.csv", good.replace("1/1/2018", "2/30/2018"))],
      /line 2: order_purchase_timestamp: expected a time .*found "2\/30\/2018 9:00"/,
    ],
    [
      "a day before its month",
      () => ["--orders", fileOf("bad.csv", good.replace("1/1/2018", "31/1/2018"))],
      /line 2: order_purchase_timestamp: expected a time/,
    ],
  ])("%s", async (_, args, message) => {
    const ended = await example(...args());
    expect(ended).toMatchObject({ code: 2, stdout: "", stderr: expect.stringMatching(message) });
  });
});

/** By the rules, one order after another, with nothing of makegood. */
function expectedOf(file: string) {
  const [head = "", ...lines] = readFileSync(file, "utf8").trim().split(/\r?\n/);
  const names = head.split(",");
  const [tally, finalStates] = [{ orders: 0, events: 0, applied: 0, refused: 0 }, {} as Record<string, number>];
  for (const line of lines) {
    const row = Object.fromEntries(line.split(",").map((text, at) => [names[at], text]));
    const timed = [
      ["create", "order_purchase_timestamp"],
      ["approve", "order_approved_at"],
      ["ship", "order_delivered_carrier_date"],
      ["deliver", "order_delivered_customer_date"],
    ].filter(([, column = ""]) => row[column] !== "");
    // The form `month/day/year hour:minute` is one that JavaScript reads.
    const at = ([event, column = ""]: readonly string[]): number =>
      event === "create" ? 0 : Date.parse(`${row[column]} UTC`);
    const last = { canceled: "cancel", unavailable: "withdraw", processing: "process", invoiced: "invoice" };
    const closing = last[row["order_status"] as keyof typeof last];
    const events = [...timed.sort((a, b) => at(a) - at(b)).map(([event]) => event), ...(closing ? [closing] : [])];
    let state = "";
    for (const event of events) {
      const next = legal[`${state} ${event}`];
      tally.events++;
      tally[next === undefined ? "refused" : "applied"]++;
      state = next ?? state;
    }
    tally.orders++;
    finalStates[state] = (finalStates[state] ?? 0) + 1;
  }
  return { ...tally, duplicates: tally.events, finalStates };
}

const legal: Readonly<Record<string, string>> = {
  " create": "created",
  "created approve": "approved",
  "approved ship": "shipped",
  "shipped deliver": "delivered",
  "approved process": "approved",
  "approved invoice": "approved",
  "created cancel": "canceled",
  "approved cancel": "canceled",
  "created withdraw": "unavailable",
  "approved withdraw": "unavailable",
};
