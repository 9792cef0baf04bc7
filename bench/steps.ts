// Three-step jobs: how many a second at 256 at a time, and how long one takes alone. Every step is acknowledged after commit.
//
//     node scripts/bootstrap.mjs bench/steps.ts [--store FILE|postgres://…] [--count 20000] [--runs 3]
import { mkdtempSync, rmSync } from "node:fs";
import { availableParallelism, cpus, tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { job, makegood, type Store } from "makegood";
import { postgresFromUrl } from "makegood/postgres";
import { sqlite } from "makegood/sqlite";

const { values } = parseArgs({
  options: {
    store: { type: "string" },
    count: { type: "string", default: "20000" },
    runs: { type: "string", default: "3" },
  },
});
const count = Number(values.count);
const inFlight = 256;
const aloneCount = 500;

const threeSteps = job("three-steps", {}, async (ctx) => {
  const a = await ctx.step("one", { run: () => 1, irreversible: "bench" });
  const b = await ctx.step("two", { run: () => a + 1, irreversible: "bench" });
  return await ctx.step("three", { run: () => b + 1, irreversible: "bench" });
});

const folder = mkdtempSync(join(tmpdir(), "makegood-bench-"));
const isPostgres = values.store?.startsWith("postgres") === true;
const openStore = async (): Promise<Store> =>
  isPostgres
    ? postgresFromUrl(values.store ?? "", { migrate: true })
    : sqlite(values.store ?? join(folder, "bench.db"));

const app = makegood({ store: await openStore(), concurrency: 512 });
app.register(threeSteps);
await app.run();

const one = async (): Promise<void> => {
  const execution = await app.start(threeSteps, undefined);
  if ((await execution.result()) !== 3) throw new TypeError("wrong result");
};
const many = async (total: number): Promise<void> => {
  let begun = 0;
  const lane = async (): Promise<void> => {
    while (begun++ < total) await one();
  };
  await Promise.all(Array.from({ length: inFlight }, lane));
};
const median = (list: readonly number[]): number =>
  [...list].sort((a, b) => a - b)[Math.floor(list.length / 2)] ?? Number.NaN;

await many(2_000);
const rates: number[] = [];
const alone: number[] = [];
for (let run = 0; run < Number(values.runs); run++) {
  const began = performance.now();
  await many(count);
  rates.push(count / ((performance.now() - began) / 1_000));
  const times: number[] = [];
  for (let n = 0; n < aloneCount; n++) {
    const at = performance.now();
    await one();
    times.push(performance.now() - at);
  }
  alone.push(median(times));
}
await app.stop({ graceMs: 0 });
rmSync(folder, { recursive: true, force: true });
const shown = (list: readonly number[], digits: number): string =>
  `${median(list).toFixed(digits)} (${Math.min(...list).toFixed(digits)} to ${Math.max(...list).toFixed(digits)})`;
console.log(
  `${isPostgres ? "PostgreSQL" : "SQLite"}, Node ${process.versions.node}, ${availableParallelism()} × ${cpus()[0]?.model.trim() ?? "?"}, ${values.runs} runs`,
);
console.log(`3-step jobs/s, ${inFlight} at a time: ${shown(rates, 0)}`);
console.log(`3-step job alone, p50 in ms: ${shown(alone, 2)}`);
