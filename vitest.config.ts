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
    // One more than processors, since a fifth of the time goes into waiting for disks and timers.
    maxWorkers: Math.min(8, availableParallelism() + 1),
    execArgv: ["--disable-warning=ExperimentalWarning"],
    // For what hangs; how long a test takes is the machine's business.
    testTimeout: 120_000,
    hookTimeout: 120_000,
    setupFiles: ["test/patience.ts"],
    expect: { poll: { timeout: 30_000 } },
  },
});
