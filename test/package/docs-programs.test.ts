// The programs of the pages in docs/ are compiled and run as their readers would: from the packed tarball, and their output is
// compared. Marks as in the README (readme.test.ts):
//
//     <!-- program: NAME.ts -->     the next block is a whole program
//     <!-- output: NAME.ts -->      the next block is what it prints
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Consumer, createConsumer, succeed } from "./consumer.ts";
import { root } from "./doc-tables.ts";

interface Program {
  readonly page: string;
  readonly name: string;
  readonly text: string;
  readonly output: string;
}

const block = /<!-- (program|output): ([\w.-]+) -->\n```\w+\n([\s\S]*?)^```$/gm;

const programs = readdirSync(join(root, "docs"))
  .filter((file) => file.endsWith(".md"))
  .flatMap((file): Program[] => {
    const blocks = [...readFileSync(join(root, "docs", file), "utf8").matchAll(block)];
    const find = (kind: string, name: string): string =>
      blocks.find((it) => it[1] === kind && it[2] === name)?.[3] ?? `docs/${file}: no ${kind} of ${name}`;
    const names = new Set(blocks.map((it) => it[2] ?? ""));
    return [...names].map((name) => ({ page: file, name, text: find("program", name), output: find("output", name) }));
  });

let consumer: Consumer;
beforeAll(async () => {
  consumer = await createConsumer();
  consumer.link("hono");
});
afterAll(() => consumer?.remove());

describe("the programs of the documentation", () => {
  it.each(programs)(
    "$name of docs/$page compiles and prints what the page says",
    async ({ page, name, text, output }) => {
      const folder = page.replace(".md", "");
      consumer.write(`${folder}/${name}`, text);
      consumer.write(`${folder}/tsconfig.json`, JSON.stringify({ compilerOptions, files: [name] }));
      const cwd = join(consumer.folder, folder);
      await succeed(process.execPath, [join(root, "node_modules/typescript/bin/tsc"), "-p", "."], { cwd });
      expect(await consumer.node(name, { cwd })).toEqual({ code: 0, signal: null, stdout: output, stderr: "" });
    },
  );
});

const compilerOptions = {
  target: "es2024",
  module: "nodenext",
  strict: true,
  noEmit: true,
  types: ["node"],
  typeRoots: [join(root, "node_modules", "@types")],
  allowImportingTsExtensions: true,
};
