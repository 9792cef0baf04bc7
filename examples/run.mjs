/**
 * Runs an example on the source of this checkout, where the package's own name means src/:
 *
 *     npm run -s example NAME [-- OPTION…]
 *
 * NAME is a file beside this one, or a folder of patterns/. Elsewhere, with makegood installed, an example is run by Node
 * alone, as its first lines say.
 */
import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import "./source.mjs";

const [name, ...args] = process.argv.slice(2);
/** These read their own options; the others have none. */
const takeOptions = ["order-lifecycle", "xxl-executor"];

const here = import.meta.dirname;
const single = readdirSync(here)
  .filter((file) => file.endsWith(".ts"))
  .map((file) => file.slice(0, -".ts".length));
const patterns = readdirSync(join(here, "patterns")).filter((folder) =>
  existsSync(join(here, "patterns", folder, "example.ts")),
);
const names = [...single, ...patterns].sort();

if (name === undefined || !names.includes(name)) {
  const found = name === undefined ? "none" : JSON.stringify(name);
  refuse(`expected the name of an example (${names.join(", ")}), found ${found}.`);
}
if (args.length > 0 && !takeOptions.includes(name))
  refuse(`expected no options, since ${name} has none, found ${args.map((arg) => JSON.stringify(arg)).join(" ")}.`);

const file = patterns.includes(name) ? join(here, "patterns", name, "example.ts") : join(here, `${name}.ts`);
process.argv = [process.execPath, file, ...args];
await import(pathToFileURL(file).href);

function refuse(message) {
  process.stderr.write(`example: ${message}\n`);
  process.exit(2);
}
