/**
 * The direction of imports between the rooms of src/, as ARCHITECTURE.md draws them: inwards. Type-only imports count
 * like any other, since they couple as much. Test files are free.
 *
 * A script of ours on oxc's parser, because the ready-made tool (dependency-cruiser 18) reads TypeScript through a
 * compiler API that TypeScript 7 does not export.
 */
import { readdirSync, readFileSync } from "node:fs";
import { dirname, join, relative, resolve, sep } from "node:path";
import { parseSync, Visitor } from "oxc-parser";

const everything = "everything";

/** A room may import itself, these rooms, these packages, and `node:` modules where `node` is true. */
const rules = {
  core: { rooms: [], packages: [], node: false },
  "store/sqlite": { rooms: ["core"], packages: [], node: true },
  // What the stores on servers have in common; each hands it its own SQL.
  "store/server": { rooms: ["core"], packages: [], node: true },
  "store/postgres": { rooms: ["core", "store/server"], packages: ["pg"], node: true },
  "store/mysql": { rooms: ["core", "store/server"], packages: ["mysql2"], node: true },
  // The conformance suite: run by the stores' tests, not part of the package.
  "store/testing": { rooms: ["core"], packages: ["vitest", "fast-check"], node: true },
  engine: { rooms: ["core"], packages: [], node: true },
  participant: {
    rooms: ["core", "system", "lock"],
    packages: [
      "better-sqlite3",
      "drizzle-orm",
      "kysely",
      "knex",
      "mysql2",
      "pg",
      "postgres",
      "sequelize",
      "typeorm",
      "@mikro-orm/core",
    ],
    node: true,
  },
  scheduler: { rooms: ["core", "protocol"], packages: [], node: true },
  executor: { rooms: ["core", "protocol", "system"], packages: [], node: true },
  protocol: { rooms: ["core"], packages: [], node: false },
  messaging: { rooms: ["core"], packages: [], node: true },
  lock: { rooms: ["core", "system"], packages: [], node: true },
  http: { rooms: ["core", "participant", "system"], packages: [], node: true },
  // Looks at jobs from outside; runs none.
  checklist: { rooms: ["core"], packages: [], node: true },
  alarm: { rooms: ["core"], packages: [], node: true },
  testing: { rooms: ["core", "store/testing"], packages: [], node: true },
  // The real world behind the ports of core: src/system.ts. A default where no composition root stands above.
  system: { rooms: ["core"], packages: [], node: true },
  // Composition roots: the public entry points (src/*.ts) and the ways in.
  entry: { rooms: everything, packages: everything, node: true },
  server: { rooms: everything, packages: everything, node: true },
  cli: { rooms: everything, packages: everything, node: true },
};

/** They import what the user names. */
const importingUsersModules = ["src/cli/checklist/load.ts"];

const root = resolve(import.meta.dirname, "..");
const source = join(root, "src");
const manifest = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
const shipped = new Set(Object.keys({ ...manifest.dependencies, ...manifest.peerDependencies }));

const files = readdirSync(source, { recursive: true, encoding: "utf8" })
  .filter((path) => path.endsWith(".ts") && !/\.test(-d)?\.ts$/.test(path))
  .map((path) => join(source, path))
  .sort();
const faults = files.flatMap(faultsOf);
for (const fault of faults) console.error(fault);
console.log(`${files.length} files, ${faults.length} imports against the direction.`);
if (faults.length > 0) process.exitCode = 1;

function faultsOf(file) {
  const room = roomOf(file);
  const rule = rules[room];
  const place = relative(root, file);
  if (rule === undefined)
    return [`${place}: expected a known room, found "${room}"; add it to scripts/check-imports.mjs.`];
  const { imports, errors } = readImports(file);
  if (errors.length > 0) return [`${place}: expected TypeScript, found ${errors[0].message}`];
  return imports
    .map(({ specifier, line }) => ({ line, fault: faultOf(file, room, rule, specifier) }))
    .filter(({ fault }) => fault !== undefined)
    .map(({ line, fault }) => `${place}:${line}: ${fault}`);
}

function faultOf(file, room, rule, specifier) {
  if (specifier === undefined && importingUsersModules.includes(relative(root, file).replaceAll(sep, "/")))
    return undefined;
  if (specifier === undefined) return "expected a literal module name in import(), found an expression.";
  if (specifier.startsWith("node:")) return rule.node ? undefined : `${room} may not import "${specifier}".`;
  if (specifier.startsWith(".")) {
    const target = resolve(dirname(file), specifier);
    if (!target.startsWith(source + sep)) return `"${specifier}" leads out of src.`;
    const targetRoom = roomOf(target);
    const isAllowed = targetRoom === room || rule.rooms === everything || rule.rooms.includes(targetRoom);
    return isAllowed ? undefined : `${room} may not import ${targetRoom} ("${specifier}").`;
  }
  const name = specifier
    .split("/")
    .slice(0, specifier.startsWith("@") ? 2 : 1)
    .join("/");
  if (rule.packages !== everything && !rule.packages.includes(name))
    return `${room} may not import the package ${name}.`;
  const isForTestsOnly = room === "store/testing";
  if (!shipped.has(name) && !isForTestsOnly) return `${name} is neither a dependency nor a peer dependency.`;
  return undefined;
}

/** `src/index.ts` is "entry", `src/core/…` is "core", `src/store/sqlite/…` is "store/sqlite". */
function roomOf(file) {
  const folders = relative(source, file).split(sep).slice(0, -1);
  if (folders.length === 0) return relative(source, file) === "system.ts" ? "system" : "entry";
  return folders[0] === "store" ? folders.slice(0, 2).join("/") : folders[0];
}

function readImports(file) {
  const text = readFileSync(file, "utf8");
  const { program, errors } = parseSync(file, text);
  const imports = [];
  const add = (node) => {
    if (node === null) return;
    const specifier = typeof node.value === "string" ? node.value : undefined;
    imports.push({ specifier, line: text.slice(0, node.start).split("\n").length });
  };
  new Visitor({
    ImportDeclaration: (node) => add(node.source),
    ExportNamedDeclaration: (node) => add(node.source),
    ExportAllDeclaration: (node) => add(node.source),
    ImportExpression: (node) => add(node.source),
    TSImportType: (node) => add(node.source),
    TSExternalModuleReference: (node) => add(node.expression),
    CallExpression: (node) => {
      if (node.callee.type === "Identifier" && node.callee.name === "require") add(node.arguments[0] ?? node);
    },
  }).visit(program);
  return { imports, errors };
}
