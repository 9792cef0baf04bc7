// Each example is run as its first lines say: in a folder of its own, by Node, with the packed tarball installed.
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { describeWithPostgres } from "../services/describe.ts";
import { createDatabase } from "../services/postgres.ts";
import { type Consumer, createConsumer, run } from "./consumer.ts";
import { root } from "./doc-tables.ts";

const folder = join(root, "examples");

const printed: Readonly<Record<string, string>> = {
  "order-saga.ts": `
A-1 completed
B-1 compensated: bob has too little money
orders: A-1 paid, B-1 canceled
stock: cup 99, tea 98
accounts: ann 3500, bob 100
`,
  "tcc-transfer.ts": `
DE12 completed; ann has 3500, 0 of it held
XX00 compensated: NO_ACCOUNT; ann has 3500, 0 of it held
`,
  "approval.ts": `
mail: please decide on train (46 characters of key)
mail: please decide on hotel (46 characters of key)
mail: please decide on taxi (46 characters of key)
train: approved by ann
hotel: refused by ann
taxi: forgotten
`,
  "outbox.ts": `
rolled back: A-18 has no price
mail: A-17 is placed
mail: A-17 is paid
orders: A-17 paid
points: 23
`,
  "postgres-kysely.ts": `
A-17: 23 points
A-18: over the limit
points in all: 23
executions: A-17 completed
`,
};

/** What they do with an admin is in test/xxl-job/process.test.ts. */
const servers = ["xxl-executor.ts"];
/** Those that read a file have a test of their own. */
const withInput = ["order-lifecycle.ts"];

/** A second run finds the executions of the first by their keys: it does nothing anew, and says the same. */
const saysTheSameAgain = ["order-saga.ts"];

let consumer: Consumer;
beforeAll(async () => {
  consumer = await createConsumer();
  consumer.link("zod", "pg", "kysely");
});
afterAll(() => consumer?.remove());

async function outputOf(example: string, env: Readonly<Record<string, string>> = {}): Promise<string> {
  const place = example.replace(/\.ts$/, "");
  consumer.write(`${place}/${example}`, readFileSync(join(folder, example), "utf8"));
  const ended = await consumer.node(example, { cwd: join(consumer.folder, place), env });
  expect(ended).toMatchObject({ code: 0, stderr: "" });
  return ended.stdout;
}

const expected = (example: string): string => (printed[example] ?? "").trimStart();
const needsPostgres = (example: string): boolean => example.startsWith("postgres");

describe("the examples", () => {
  it("are all run here", () => {
    expect(
      readdirSync(folder)
        .filter((file) => file.endsWith(".ts"))
        .sort(),
    ).toEqual([...Object.keys(printed), ...servers, ...withInput].sort());
  });

  it.each(servers)("%s runs until it is told to stop", async (example) => {
    consumer.write(`server/${example}`, readFileSync(join(folder, example), "utf8"));
    const ended = await consumer.node(example, {
      cwd: join(consumer.folder, "server"),
      args: ["--admin", "http://127.0.0.1:9", "--appname", "demo", "--port", "0", "--effects", "effects.txt"],
      watch: (child) => child.kill("SIGTERM"),
    });
    expect(ended).toMatchObject({
      code: 0,
      stdout: expect.stringMatching(/^xxl-executor demo listens on http:\/\/127/),
    });
    // That there is neither a token nor an admin is said.
    expect(ended.stderr).toMatch(/without accessToken[\s\S]*not registered/);
  });

  it("are run from a checkout by their name", async () => {
    const example = (...args: readonly string[]) =>
      run(process.execPath, [join(root, "examples", "run.mjs"), ...args], { cwd: consumer.folder });
    for (const name of ["xxl-executor", "order-lifecycle"]) {
      expect(await example(name, "--help")).toMatchObject({ code: 0, stdout: expect.stringContaining("Usage:") });
      // By the example itself: its options get there.
      expect(await example(name, "--prot")).toMatchObject({ code: 2, stderr: expect.stringContaining("Usage:") });
    }
    expect(await example("approval", "--prot")).toMatchObject({ code: 2, stderr: expect.stringContaining("has none") });
    expect(await example("nothing")).toMatchObject({ code: 2, stderr: expect.stringContaining('found "nothing"') });
    expect(await example()).toMatchObject({ code: 2, stderr: expect.stringContaining("found none") });
  });

  it.each(Object.keys(printed).filter((it) => !needsPostgres(it)))("%s prints what it should", async (example) => {
    expect(await outputOf(example)).toBe(expected(example));
  });

  it.each(saysTheSameAgain)("%s run again changes nothing", async (example) => {
    await outputOf(example);
    expect(await outputOf(example)).toBe(expected(example));
  });
});

describeWithPostgres("the examples on PostgreSQL", (database) => {
  it.each(Object.keys(printed).filter(needsPostgres))("%s prints what it should", async (example) => {
    const own = await createDatabase(database.url);
    try {
      expect(await outputOf(example, { DATABASE_URL: own.url })).toBe(expected(example));
    } finally {
      await own.drop();
    }
  });
});
