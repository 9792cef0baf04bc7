// The programs on the pages of docs/ are taken out of them and run, in a project that has installed the packed tarball, and
// must compile there and print what stands below them.
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
  readonly output: string | undefined;
}

const block = /<!-- (program|output): ([\w-]+\.ts) -->\n```\w+\n([\s\S]*?)^```$/gm;
const programs: readonly Program[] = readdirSync(join(root, "docs"))
  .filter((page) => page.endsWith(".md"))
  .flatMap((page) => {
    const found = [...readFileSync(join(root, "docs", page), "utf8").matchAll(block)];
    return found
      .filter(([, kind]) => kind === "program")
      .map(([, , name = "", text = ""]) => ({
        page,
        name,
        text,
        output: found.find(([, kind, of]) => kind === "output" && of === name)?.[3],
      }));
  });

const tsc = join(root, "node_modules", "typescript", "bin", "tsc");
const compilerOptions = {
  target: "es2023",
  module: "nodenext",
  moduleResolution: "nodenext",
  strict: true,
  noEmit: true,
  types: ["node"],
  typeRoots: [join(root, "node_modules", "@types")],
};

let consumer: Consumer;
beforeAll(async () => {
  consumer = await createConsumer();
});
afterAll(() => consumer?.remove());

describe("the programs of the documentation", () => {
  it("each show what they print", () => {
    expect(programs.filter(({ output }) => output === undefined)).toEqual([]);
    expect(programs.length).toBeGreaterThan(0);
  });

  it.each(programs.map((it) => [`${it.page}: ${it.name}`, it] as const))(
    "%s",
    async (_title, { name, text, output }) => {
      const folder = name.replace(/\.ts$/, "");
      consumer.write(`${folder}/${name}`, text);
      const settings = { compilerOptions, files: [name] };
      consumer.write(`${folder}/tsconfig.json`, JSON.stringify(settings));
      await succeed(process.execPath, [tsc, "-p", "."], { cwd: join(consumer.folder, folder) });
      const ended = await consumer.node(name, { cwd: join(consumer.folder, folder) });
      expect(ended).toMatchObject({ code: 0, stderr: "" });
      expect(ended.stdout).toBe(output);
    },
  );
});
