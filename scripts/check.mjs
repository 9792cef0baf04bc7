/** Runs every `check:…` script of package.json in its order, all of them, and says at the end which failed. */
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { resolve } from "node:path";

const root = resolve(import.meta.dirname, "..");
const { scripts } = JSON.parse(readFileSync(resolve(root, "package.json"), "utf8"));
const checks = Object.keys(scripts).filter((name) => name.startsWith("check:"));
const failed = [];

for (const name of checks) {
  const startedAt = performance.now();
  console.log(`\n--- ${name}`);
  const { status } = spawnSync(scripts[name], { cwd: root, shell: true, stdio: "inherit" });
  const seconds = ((performance.now() - startedAt) / 1000).toFixed(1);
  console.log(`--- ${name}: ${status === 0 ? "ok" : "FAILED"} (${seconds} s)`);
  if (status !== 0) failed.push(name);
}

console.log(failed.length === 0 ? `\nAll ${checks.length} checks passed.` : `\nFailed: ${failed.join(", ")}.`);
if (failed.length > 0) process.exitCode = 1;
