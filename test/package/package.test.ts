import { existsSync, readdirSync, readFileSync } from "node:fs";
import { homedir, tmpdir } from "node:os";
import { join } from "node:path";
import { build } from "esbuild";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Consumer, createConsumer, npm, succeed } from "./consumer.ts";
import { root } from "./doc-tables.ts";

let consumer: Consumer;
let packageFolder: string;

beforeAll(async () => {
  consumer = await createConsumer();
  packageFolder = join(consumer.folder, "node_modules", "makegood");
});
afterAll(() => consumer?.remove());

/** A job with a step of each of the two common kinds, on an embedded store; prints what came of it. */
const programText = (types: boolean): string => `
import { DatabaseSync } from "node:sqlite";
import { job, makegood, participant, RefusedError } from "makegood";
import { nodeSqlite, sqlite } from "makegood/sqlite";

const db = new DatabaseSync("books.db");
db.exec("PRAGMA journal_mode = WAL; CREATE TABLE IF NOT EXISTS book (what TEXT)");
const books = participant("books", nodeSqlite(db));
await books.migrate();

const place = job("place", {}, async (ctx) => {
  await ctx.tx(books, "note", {
    run: (tx) => { tx.prepare("INSERT INTO book VALUES ('taken')").run(); return 7; },
    compensate: (tx, n) => void tx.prepare("INSERT INTO book VALUES (?)").run(\`given back \${n${types ? " satisfies number" : ""}}\`),
  });
  await ctx.step("charge", {
    run: ({ key }) => { if (key.length < 64) throw new RefusedError("no money"); },
    compensate: () => {},
  });
});
const app = makegood({ store: sqlite("engine.db", { thread: true }) });
app.register(place);
await app.run();
const outcome = await (await app.start(place, undefined)).outcome();
console.log(outcome.state, outcome.state === "compensated" ? outcome.error.message : "");
console.log(db.prepare("SELECT what FROM book").all().map((row) => row["what"]).join(", "));
await app.stop();
`;
const expectedOutput = "compensated no money\ntaken, given back 7\n";

describe("the packed tarball", () => {
  it("installs without network and brings nothing along", () => {
    expect(readdirSync(join(consumer.folder, "node_modules")).filter((name) => !name.startsWith("."))).toEqual([
      "makegood",
    ]);
  });

  it("runs a job from JavaScript, with no driver installed", async () => {
    consumer.write("js/main.mjs", programText(false));
    expect(await consumer.node("main.mjs", { cwd: join(consumer.folder, "js") })).toMatchObject({
      code: 0,
      stdout: expectedOutput,
      stderr: "",
    });
  });

  it("runs a job from TypeScript that Node itself strips", async () => {
    consumer.write("stripped/main.ts", programText(true));
    expect(await consumer.node("main.ts", { cwd: join(consumer.folder, "stripped") })).toMatchObject({
      code: 0,
      stdout: expectedOutput,
    });
  });

  it.each(["nodenext", "bundler"])(
    "compiles under TypeScript, module resolution %s, its own types checked too, and runs",
    async (resolution) => {
      const folder = join(consumer.folder, `ts-${resolution}`);
      consumer.write(`ts-${resolution}/main.ts`, programText(true));
      consumer.write(
        `ts-${resolution}/tsconfig.json`,
        JSON.stringify({ compilerOptions: compilerOptions(resolution), files: ["main.ts"] }),
      );
      await succeed(process.execPath, [tsc, "-p", folder], { cwd: folder });
      expect(await consumer.node("out/main.js", { cwd: folder })).toMatchObject({ code: 0, stdout: expectedOutput });
    },
  );

  it("refuses a wrong program under TypeScript", async () => {
    const folder = join(consumer.folder, "ts-wrong");
    consumer.write("ts-wrong/main.ts", programText(true).replace("n satisfies number", "n satisfies string"));
    consumer.write(
      "ts-wrong/tsconfig.json",
      JSON.stringify({ compilerOptions: compilerOptions("nodenext"), files: ["main.ts"] }),
    );
    await expect(succeed(process.execPath, [tsc, "-p", folder], { cwd: folder })).rejects.toThrow(
      /satisfy the expected type 'string'/,
    );
  });

  it("runs a job out of a bundle, without node_modules", async () => {
    const folder = join(consumer.folder, "bundled");
    consumer.write("bundled/main.ts", programText(true));
    const bundle = join(consumer.folder, "..", "bundle", "main.mjs");
    await build({
      absWorkingDir: folder,
      entryPoints: ["main.ts"],
      bundle: true,
      platform: "node",
      format: "esm",
      outfile: bundle,
      logLevel: "silent",
    });
    expect(await consumer.node(bundle, { cwd: join(bundle, "..") })).toMatchObject({
      code: 0,
      stdout: expectedOutput,
      // The thread's program is not in it. Where it is, as above, nothing is said.
      stderr: expect.stringContaining("MAKEGOOD_NO_THREAD"),
    });
  });

  it("has a command line that runs from it", async () => {
    const help = await succeed(npm, ["exec", "--offline", "--", "makegood", "--help"], { cwd: consumer.folder });
    expect(help).toMatch(/^Usage: makegood COMMAND/);
    const { version } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
    expect(
      (await succeed(npm, ["exec", "--offline", "--", "makegood", "--version"], { cwd: consumer.folder })).trim(),
    ).toBe(version);
  });

  it("creates a store's tables from the command line, twice", async () => {
    const migrate = () =>
      succeed(npm, ["exec", "--offline", "--", "makegood", "migrate", "--store", "migrated.db"], {
        cwd: consumer.folder,
      });
    expect(await migrate()).toContain("migrated.db is up to date");
    expect(await migrate()).toBe("migrated.db is up to date.\n");
  });

  it("says which driver is missing when an entry needs one", async () => {
    consumer.write("missing.mjs", 'await import("makegood/kysely");');
    const ended = await consumer.node("missing.mjs");
    expect(ended.code).not.toBe(0);
    expect(ended.stderr).toContain("Cannot find package 'kysely'");
  });
});

describe("every entry of the packed tarball", () => {
  /** Declarations of their own do not compile: Drizzle's name the drivers of every database, the others are not strict. */
  const withBrokenDeclarations = ["makegood/drizzle", "makegood/mikro-orm", "makegood/sequelize"];
  const entries = Object.keys(JSON.parse(readFileSync(join(root, "package.json"), "utf8")).exports)
    .filter((path) => path !== "./package.json")
    .map((path) => join("makegood", path).replaceAll("\\", "/"));

  beforeAll(() =>
    consumer.link(
      ...["pg", "postgres", "mysql2", "better-sqlite3", "@types/pg", "@types/better-sqlite3"],
      ...["kysely", "drizzle-orm", "knex", "typeorm", "sequelize", "@mikro-orm/core"],
    ),
  );

  it.each([
    ["all declarations checked", entries.filter((entry) => !withBrokenDeclarations.includes(entry)), false],
    ["but for what others declare", withBrokenDeclarations, true],
  ])("compiles under TypeScript, %s", async (_, compiled, skipLibCheck) => {
    const folder = `entries-${skipLibCheck ? "unchecked" : "checked"}`;
    const program = compiled.map((entry, i) => `export * as entry${i} from "${entry}";\n`).join("");
    consumer.write(`${folder}/main.ts`, program);
    consumer.write(
      `${folder}/tsconfig.json`,
      JSON.stringify({
        compilerOptions: { ...compilerOptions("nodenext"), skipLibCheck, noEmit: true },
        files: ["main.ts"],
      }),
    );
    await succeed(process.execPath, [tsc, "-p", "."], { cwd: join(consumer.folder, folder) });
  });

  it.each(entries)("%s is imported", async (entry) => {
    const file = `imports-${entry.replace("/", "-")}.mjs`;
    consumer.write(file, `import * as entry from "${entry}";\nconsole.log(Object.keys(entry).length > 0);\n`);
    expect(await consumer.node(file)).toMatchObject({ code: 0, stdout: "true\n" });
  });

  it("cannot be reached behind its exports", async () => {
    consumer.write("behind.mjs", 'await import("makegood/dist/index.js");');
    expect((await consumer.node("behind.mjs")).stderr).toContain("ERR_PACKAGE_PATH_NOT_EXPORTED");
  });
});

describe("the files of the packed tarball", () => {
  const files = (): readonly string[] =>
    readdirSync(packageFolder, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) =>
        join(entry.parentPath, entry.name)
          .slice(packageFolder.length + 1)
          .replaceAll("\\", "/"),
      )
      .sort();

  it("are the built rooms, and the five that go with them", () => {
    const rooms =
      "core|store/(?:sqlite|postgres|mysql|server)|engine|participant|lock|messaging|checklist|protocol|executor|scheduler|server|http|cli|testing";
    const clients = "mysql|kysely|drizzle|knex|mikro-orm|prisma|redis|sequelize|typeorm";
    const entries = `index|makegood|system|sqlite|postgres|${clients}|http|xxl-job|testing`;
    const allowed = new RegExp(
      `^(?:package\\.json|README(?:\\.zh-CN)?\\.md|CHANGELOG\\.md|LICENSE|dist/(?:(?:${rooms})/[\\w/.-]+|(?:${entries}))\\.(?:js|js\\.map|d\\.ts|sql))$`,
    );
    expect(files().filter((file) => !allowed.test(file))).toEqual([]);
    for (const file of ["LICENSE", "README.md", "CHANGELOG.md", "dist/index.js", "dist/index.d.ts"])
      expect(files()).toContain(file);
  });

  it("hold no tests and nothing for tests", () => {
    expect(files().filter((file) => /\.test(-d)?\.|(?<!^dist)\/testing\//.test(file))).toEqual([]);
  });

  it("name no path of the machine that built them", () => {
    for (const file of files()) {
      const text = readFileSync(join(packageFolder, file), "utf8");
      for (const place of [root, homedir(), tmpdir()])
        expect(text.includes(`${place}/`), `${file}: ${place}`).toBe(false);
      expect(text, file).not.toMatch(/(?:["'\s(]|file:\/\/)\/(?:home|root|Users|work|tmp)\//);
    }
  });

  it("have source maps that hold their sources", () => {
    const maps = files().filter((file) => file.endsWith(".map"));
    for (const file of maps) {
      const map = JSON.parse(readFileSync(join(packageFolder, file), "utf8"));
      expect(map.sourcesContent?.length, file).toBe(map.sources.length);
      for (const source of map.sources) expect(source, file).toMatch(/^(?:\.\.\/)+src\//);
    }
    for (const file of files().filter((it) => it.endsWith(".js"))) {
      const named = /^\/\/# sourceMappingURL=(.*)$/m.exec(readFileSync(join(packageFolder, file), "utf8"))?.[1];
      if (named !== undefined) expect(existsSync(join(packageFolder, file, "..", named)), file).toBe(true);
    }
  });

  it("depend on nothing, and every driver is optional", () => {
    const manifest = JSON.parse(readFileSync(join(packageFolder, "package.json"), "utf8"));
    expect(manifest.dependencies ?? {}).toEqual({});
    expect(manifest.scripts?.postinstall ?? manifest.scripts?.install).toBeUndefined();
    for (const name of Object.keys(manifest.peerDependencies))
      expect(manifest.peerDependenciesMeta[name], name).toEqual({ optional: true });
  });
});

const tsc = join(root, "node_modules", "typescript", "bin", "tsc");

/** As strict as a user can be, and the package's own declarations are checked as well. */
const compilerOptions = (resolution: string) => ({
  target: "es2023",
  module: resolution === "bundler" ? "esnext" : "nodenext",
  moduleResolution: resolution,
  strict: true,
  exactOptionalPropertyTypes: true,
  noUncheckedIndexedAccess: true,
  skipLibCheck: false,
  types: ["node"],
  typeRoots: [join(root, "node_modules", "@types")],
  outDir: "out",
});
