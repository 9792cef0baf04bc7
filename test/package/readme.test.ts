// The README's programs are taken out of it and run, in a project that has installed the packed tarball.
//
//     <!-- program: NAME.ts -->                        the next block is a whole program
//     <!-- output: NAME.ts -->                         the next block is what it prints
//     <!-- output: NAME.ts, killed at "TEXT", and again -->   … when it is killed as soon as it prints TEXT, and run again
//     <!-- from: FILE -->                              the next block stands in that file
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Consumer, createConsumer } from "./consumer.ts";
import { root } from "./doc-tables.ts";

const readme = readFileSync(join(root, "README.md"), "utf8");

interface Block {
  readonly about: string;
  readonly language: string;
  readonly text: string;
}
const blocks: readonly Block[] = [
  ...readme.matchAll(/(?:<!-- ([a-z]+: [^\n]*) -->\n)?^```(\w+)\n([\s\S]*?)^```$/gm),
].map(([, about = "", language = "", text = ""]) => ({ about, language, text }));
const marked = (kind: string): readonly (readonly [name: string, text: string])[] =>
  blocks
    .filter(({ about }) => about.startsWith(`${kind}: `))
    .map(({ about, text }) => [about.slice(kind.length + 2), text] as const);

const programs = new Map(marked("program"));
const outputs = marked("output");

let consumer: Consumer;
beforeAll(async () => {
  consumer = await createConsumer();
  consumer.link("zod");
});
afterAll(() => consumer?.remove());

describe("the README", () => {
  it("has a mark on every block of TypeScript", () => {
    expect(blocks.filter(({ language, about }) => language === "ts" && about === "")).toEqual([]);
  });

  it("shows the output of every program", () => {
    expect(outputs.map(([about]) => about.replace(/,.*/, "")).sort()).toEqual([...programs.keys()].sort());
  });

  it.each(outputs)("%s", async (about, expected) => {
    const [name = ""] = about.split(",");
    const killAt = /killed at "([^"]+)", and again$/.exec(about)?.[1];
    const folder = name.replace(".ts", "");
    const cwd = join(consumer.folder, folder);
    consumer.write(`${folder}/${name}`, programs.get(name) ?? "");
    if (killAt !== undefined) {
      const killed = await consumer.node(name, {
        cwd,
        watch: (child, stdout) => stdout.includes(killAt) && child.kill("SIGKILL"),
      });
      expect(killed).toMatchObject({ signal: "SIGKILL", stderr: "" });
    }
    const ended = await consumer.node(name, { cwd });
    expect(ended).toMatchObject({ code: 0, stderr: "" });
    expect(ended.stdout).toBe(expected);
    if (killAt === undefined) return;
    // And once more: everything is answered from the record.
    const lastLine = expected.trimEnd().split("\n").at(-1);
    expect((await consumer.node(name, { cwd })).stdout).toBe(`${lastLine}\n`);
  });

  it.each(marked("from"))("shows a part of %s as it is there", (file, text) => {
    expect(readFileSync(join(root, file), "utf8")).toContain(text);
  });

  it("says in Chinese what it says: the same code, links and headings, in the same order", () => {
    const chinese = readFileSync(join(root, "README.zh-CN.md"), "utf8");
    const code = (text: string) => [...text.matchAll(/^```\w+\n[\s\S]*?^```$/gm)].map(([block]) => block);
    expect(code(chinese)).toEqual(code(readme));
    const bare = (text: string) => text.replaceAll(/^```[\s\S]*?^```$/gm, "");
    const linksOf = (text: string) => [...bare(text).matchAll(/\]\(([^)]+)\)/g)].map(([, link]) => link);
    const isSwitch = (link = "") => link.startsWith("README");
    expect(linksOf(chinese).filter((link) => !isSwitch(link))).toEqual(
      linksOf(readme).filter((link) => !isSwitch(link)),
    );
    const depths = (text: string) => [...bare(text).matchAll(/^(#+) /gm)].map(([, marks]) => marks);
    expect(depths(chinese)).toEqual(depths(readme));
  });

  it("names the scripts that there are", () => {
    const { scripts } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
    for (const [, name = ""] of readme.matchAll(/npm (?:run )?(demo|test|check|build|format)\b/g))
      expect(scripts).toHaveProperty(name);
  });
});
