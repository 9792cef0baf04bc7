import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describe, expect, it, vi } from "vitest";

const starter = fileURLToPath(new URL("./guarded-starter.ts", import.meta.url));

describe("a guarded server", () => {
  it.each(["SIGKILL", "SIGINT", "SIGTERM"] as const)(
    "and its folder are gone after the test run ends by %s",
    async (signal) => {
      const run = spawn(process.execPath, ["--disable-warning=ExperimentalWarning", starter], {
        stdio: ["ignore", "pipe", "inherit"],
      });
      const [line] = (await once(run.stdout, "data")) as [Buffer];
      const { pid, folder } = JSON.parse(line.toString()) as { pid: number; folder: string };
      expect(isAlive(pid)).toBe(true);
      run.kill(signal);
      await vi.waitUntil(() => !isAlive(pid) && !existsSync(folder), { timeout: 15_000 });
    },
  );
});

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}
