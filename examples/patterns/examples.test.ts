/** Each pattern's program, as a reader of the page would start it, prints what the page says. `MAKEGOOD_WRITE_DOCS=1` writes it there. */
import { execFile } from "node:child_process";
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { promisify } from "node:util";
import { describe, expect, it } from "vitest";

const mayWrite = process.env["MAKEGOOD_WRITE_DOCS"] === "1";
const here = import.meta.dirname;
const page = join(here, "README.md");
const patterns = readdirSync(here).filter((folder) => existsSync(join(here, folder, "job.ts")));

async function run(...args: readonly string[]): Promise<{ readonly stdout: string; readonly stderr: string }> {
  const file = resolve(here, "..", "run.mjs");
  return promisify(execFile)(process.execPath, ["--disable-warning=ExperimentalWarning", file, ...args], {
    cwd: tmpdir(),
  });
}

const sectionOf = (name: string): string =>
  readFileSync(page, "utf8")
    .split(/^(?=## )/m)
    .find((section) => section.startsWith(`## ${name}\n`)) ?? "";

describe("the patterns", () => {
  it("are seventeen, each with a job, its naive form, a program, a test and a section of the page", () => {
    expect(patterns.length).toBe(17);
    for (const name of patterns) {
      for (const file of ["job.ts", "naive.ts", "example.ts", `${name}.test.ts`])
        expect(existsSync(join(here, name, file)), `${name}/${file}`).toBe(true);
      expect(sectionOf(name), name).toContain("**The trouble.**");
      expect(sectionOf(name), name).toContain("**Guaranteed:**");
    }
  });

  it.each(patterns)("%s prints what its section says", async (name) => {
    const { stdout, stderr } = await run(name);
    expect(stderr).toBe("");
    expect(stdout).toMatch(/^naive: [\s\S]*^makegood: /m);
    const section = sectionOf(name);
    const fresh = `${section.replace(/\n```text[\s\S]*?\n```\n/, "").trimEnd()}\n\n\`\`\`text\n${stdout}\`\`\`\n`;
    if (mayWrite) writeFileSync(page, readFileSync(page, "utf8").replace(section.trimEnd(), fresh.trimEnd()));
    else expect(section.trimEnd(), "out of date; run again with MAKEGOOD_WRITE_DOCS=1").toBe(fresh.trimEnd());
  });

  it("refuse options, which they do not have", async () => {
    await expect(run("process-order", "--orders", "x.csv")).rejects.toMatchObject({
      code: 2,
      stderr: expect.stringContaining('process-order has none, found "--orders" "x.csv"'),
    });
  });
});
