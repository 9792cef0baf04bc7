// The costs in docs/choosing.md: what one unit of work on each level takes, counted one at a time. They do not depend on the
// machine, so the page says what is found here; `MAKEGOOD_WRITE_DOCS=1` writes it there.
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Level, type Levels, levels, openLevels } from "../../bench/levels.ts";
import { root } from "../package/doc-tables.ts";
import { describeWithPostgres } from "../services/describe.ts";
import { type Costs, type Ledger, openPostgresLedger, openSqliteLedger } from "./costs.ts";

const page = join(root, "docs/choosing.md");
const mayWrite = process.env["MAKEGOOD_WRITE_DOCS"] === "1";
const units = 10;
const ofEngine: readonly Level[] = ["steps", "undo", "tcc", "tcc canceled", "later", "scan"];
/** Those before them make what is made once: prepared statements, the start of a worker. */
const warmUp = 3;

/** `| name | level | round trips | commits |`, by the level. */
const rowOf = (level: Level): RegExp => new RegExp(`^(\\|[^|]*\\| \`${level}\` \\| )([^|]*)( \\| )([^|]*)( \\|)$`, "m");

function suite(open: () => Promise<Ledger>, what: "roundTrips" | "commits", column: 2 | 4): void {
  let ledger: Ledger;
  let work: Levels;
  beforeAll(async () => {
    ledger = await open();
    work = await openLevels(ledger.adapter, await ledger.own());
    await work.prepare(levels.length * (units + warmUp));
  });
  afterAll(() => ledger?.close());

  it.each([...levels.entries()])("%i: %s", async (at, level) => {
    const app = ledger.app(...work.jobs);
    // A worker that begins sends more for a while; what does not need one is counted without.
    if (ofEngine.includes(level)) await app.run();
    const from = at * (units + warmUp);
    for (let n = 0; n < warmUp; n++) await work.run(level, app, from + n);
    const costs: Costs = await ledger.costOf(units, async () => {
      for (let n = warmUp; n < warmUp + units; n++) await work.run(level, app, from + n);
    });
    await app.stop({ graceMs: 0 });
    const text = readFileSync(page, "utf8");
    const found = rowOf(level).exec(text);
    expect(found, `the page has a row of ${level}`).not.toBeNull();
    const cells = (found ?? []).slice(1);
    const cost = costs[what] ?? Number.NaN;
    if (mayWrite) {
      cells[column - 1] = String(Math.round(cost));
      writeFileSync(page, text.replace(found?.[0] ?? "", cells.join("")));
      return;
    }
    const told = Number(cells[column - 1]);
    // Other processes are told of starts once in a while: a round trip more or less for each.
    const play = what === "roundTrips" && ofEngine.includes(level) ? 1 : 0;
    expect(Math.abs(cost - told), `${what} of ${level}: ${cost}, and on the page ${told}`).toBeLessThanOrEqual(play);
  });
}

describe("on SQLite each level takes as many commits as the page says", () => suite(openSqliteLedger, "commits", 4));
describeWithPostgres("on PostgreSQL each level takes as many round trips as the page says", (database) =>
  suite(() => openPostgresLedger(database.url), "roundTrips", 2),
);
