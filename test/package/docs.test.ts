import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { job } from "makegood";
import { parseSync } from "oxc-parser";
import { describe, expect, it } from "vitest";
import { defaultJobSettings } from "../../src/core/define.ts";
import { formatMs } from "../../src/core/duration.ts";
import { defaultRetry } from "../../src/core/retry.ts";
import { membersOf, root, tables } from "./doc-tables.ts";

// `MAKEGOOD_WRITE_DOCS=1 npm test -- test/package/docs` writes the tables into the pages.
const mayWrite = process.env["MAKEGOOD_WRITE_DOCS"] === "1";
const pages = [
  join("examples", "patterns", "README.md"),
  ...["README.md", "README.zh-CN.md", "CHANGELOG.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "SECURITY.md"],
  ...readdirSync(join(root, "docs"), { recursive: true, encoding: "utf8" })
    .filter((path) => path.endsWith(".md"))
    .map((path) => join("docs", path)),
].sort();
const read = (page: string): string => readFileSync(join(root, page), "utf8");

/** Never over another mark: a block that lacks its end must not swallow what follows. */
const tableBlock = /(<!-- table: ([a-z ]+) -->\n)(?:(?!<!-- )[\s\S])*?(<!-- end -->)/g;

describe("the tables of the documentation", () => {
  it.each(pages.filter((page) => read(page).includes("<!-- table: ")))("%s says what the code says", (page) => {
    const text = read(page);
    const fresh = text.replaceAll(tableBlock, (_, begin: string, name: string, end: string) => {
      const make = tables[name];
      if (make === undefined)
        throw new Error(`Expected one of the tables ${Object.keys(tables).join(", ")}, found ${name}`);
      return `${begin}${make()}\n${end}`;
    });
    if (mayWrite) writeFileSync(join(root, page), fresh);
    else expect(text, "out of date; run again with MAKEGOOD_WRITE_DOCS=1").toBe(fresh);
  });

  it("are all used, and each has an end", () => {
    const used = new Set(pages.flatMap((page) => [...read(page).matchAll(tableBlock)].map((match) => match[2])));
    expect([...used].sort()).toEqual(Object.keys(tables).sort());
    for (const page of pages)
      expect(read(page).match(/^<!-- table: /gm)?.length ?? 0, page).toBe(
        read(page).match(/^<!-- end -->$/gm)?.length ?? 0,
      );
  });

  it("names every job option, with the defaults that are set", () => {
    const docs = new Map(membersOf("src/core/job.ts", "JobOptions").map((it) => [it.name, it.meaning]));
    // The message names the options that are known.
    expect(() => job("x", { quite_another: 1 } as never, async () => {})).toThrow(
      `Known options: ${[...docs.keys()].join(", ")}`,
    );
    const claims: readonly [option: string, text: string][] = [
      ["version", "default 1"],
      ["attemptTimeout", `Default ${spaced(formatMs(defaultJobSettings.attemptTimeoutMs))}`],
      ["priority", `default ${defaultJobSettings.priority}`],
      ["retention", `Default ${spaced(formatMs(defaultJobSettings.retainMs))}`],
      ["keyRetention", `Default ${spaced(formatMs(defaultJobSettings.keyRetainMs))}`],
    ];
    for (const [option, text] of claims) expect(docs.get(option), option).toContain(text);
  });

  it("names every member of the context", () => {
    const jobs = read("docs/jobs.md");
    const methods = ["tx", "step", "attempt", "tcc", "pivot", "sleep", "waitFor", "start", "random", "progress"];
    for (const name of [...membersOf("src/core/job.ts", "Context").map((it) => it.name), ...methods])
      expect(jobs, name).toMatch(new RegExp(`\`${name}[\`(]`));
  });

  it("gives the defaults of a retry policy as they are set", () => {
    const policy = new Map(membersOf("src/core/retry.ts", "RetryPolicy").map((it) => [it.name, it.meaning]));
    const backoff = new Map(membersOf("src/core/retry.ts", "Backoff").map((it) => [it.name, it.meaning]));
    expect(policy.get("maxAttempts")).toContain(`Default ${defaultRetry.maxAttempts},`);
    expect(policy.get("jitter")).toContain(`Default ${defaultRetry.jitter}.`);
    expect(backoff.get("initial")).toContain(`Default ${spaced(formatMs(defaultRetry.initialMs))}`);
    expect(backoff.get("max")).toContain(`Default ${spaced(formatMs(defaultRetry.maxMs))}`);
    expect(backoff.get("factor")).toContain(`Default ${defaultRetry.factor},`);
  });
});

/** `90d` as the docstrings write it: `90 d`; a minute as 60 s. */
function spaced(duration: string): string {
  return (duration === "1m" ? "60s" : duration).replace(/(\d)([a-z])/, "$1 $2");
}

describe("the pages", () => {
  it.each(pages)("%s links to what is there", (page) => {
    const text = withoutCode(read(page));
    const links = [...text.matchAll(/\]\(([^)\s]+)\)/g)]
      .map((match) => match[1] ?? "")
      .filter((link) => !/^[a-z]+:/.test(link));
    for (const link of links) {
      const [path = "", anchor] = link.split("#");
      const target = path === "" ? page : relative(root, join(root, dirname(page), path));
      expect(existsSync(join(root, target)), `${page} → ${link}`).toBe(true);
      if (anchor !== undefined) expect(anchorsOf(target), `${page} → ${link}`).toContain(anchor);
    }
  });

  it.each(pages)("%s names files and tests that exist", (page) => {
    // `path/to/file.ts` alone, or followed by titles of tests in it: `file.ts` "title"; "another".
    for (const [, file = "", titles = ""] of read(page).matchAll(/`((?:src|test)\/[\w./-]+\.ts)`((?:;? "[^"]+")*)/g)) {
      expect(existsSync(join(root, file)), `${page}: ${file}`).toBe(true);
      for (const [, title = ""] of titles.matchAll(/"([^"]+)"/g))
        expect(read(file).includes(title), `${page}: ${file} "${title}"`).toBe(true);
    }
  });

  it.each(pages)("%s names no path of this machine", (page) => {
    expect(read(page)).not.toMatch(/(?<![\w.])\/(?:work|root|home|tmp|usr|Users)\//);
    expect(read(page)).not.toContain(`${root}/`);
  });

  it.each(pages)("%s shows TypeScript that parses", (page) => {
    for (const [, text = ""] of read(page).matchAll(/^```ts\n([\s\S]*?)^```$/gm)) {
      // What is no program is a part of a job's function.
      const source = /^import /m.test(text) ? text : `async () => {\n${text}};`;
      expect(parseSync("block.ts", source).errors.map((it) => it.message)).toEqual([]);
    }
  });

  it("have a record for each decision, numbered without gaps", () => {
    const records = readdirSync(join(root, "docs/decisions"))
      .filter((it) => it.endsWith(".md"))
      .sort();
    expect(records.map((it) => Number(it.slice(0, 4)))).toEqual(records.map((_, index) => index + 1));
    for (const record of records) {
      const text = read(join("docs/decisions", record));
      expect(text.match(/^\*\*(\w+)\.\*\*/gm), record).toEqual(["**Context.**", "**Choice.**", "**Cost.**"]);
    }
  });
});

function withoutCode(text: string): string {
  return text.replaceAll(/^```[\s\S]*?^```/gm, "").replaceAll(/`[^`\n]*`/g, "");
}

/** As GitHub makes them of headings. */
function anchorsOf(page: string): readonly string[] {
  return [...read(page).matchAll(/^#+ (.+)$/gm)].map((match) =>
    (match[1] ?? "")
      .toLowerCase()
      .replaceAll(/[^\p{L}\p{N}\s_-]/gu, "")
      .replaceAll(" ", "-"),
  );
}
