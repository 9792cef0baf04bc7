import { availableParallelism } from "node:os";
import { fileURLToPath } from "node:url";
import { defineConfig } from "vitest/config";

const source = (file: string) => fileURLToPath(new URL(`./src/${file}`, import.meta.url));

export default defineConfig({
  // Examples import the package by its name; under test that is its source.
  resolve: {
    alias: [
      { find: /^makegood$/, replacement: source("index.ts") },
      { find: /^makegood\/([a-z-]+)$/, replacement: source("$1.ts") },
    ],
  },
  test: {
    include: ["src/**/*.test.ts", "test/**/*.test.ts", "examples/**/*.test.ts"],
    globalSetup: ["test/services/global-setup.ts"],
    // Processes, not threads: tests kill, freeze and watch real processes, and node:sqlite blocks its thread.
    pool: "forks",
    // At least two, since most of a test's time is spent waiting for a disk; more would only contend for it.
    maxWorkers: Math.min(8, Math.max(2, availableParallelism())),
    execArgv: ["--disable-warning=ExperimentalWarning"],
    testTimeout: 30_000,
    hookTimeout: 60_000,
  },
});
