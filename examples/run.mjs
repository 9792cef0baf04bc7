/**
 * Runs an example on the source of this checkout, where the package's own name means src/:
 *
 *     npm run -s example NAME [-- OPTION…]
 *
 * Elsewhere, with makegood installed, an example is run by Node alone, as its first lines say.
 */
import { existsSync, readdirSync } from "node:fs";
import { registerHooks } from "node:module";
import { join, resolve } from "node:path";
import { pathToFileURL } from "node:url";

const [name, ...args] = process.argv.slice(2);
const names = readdirSync(import.meta.dirname)
  .filter((file) => file.endsWith(".ts"))
  .map((file) => file.slice(0, -".ts".length))
  .sort();

if (name === undefined || !names.includes(name)) {
  const found = name === undefined ? "none" : JSON.stringify(name);
  process.stderr.write(`example: expected the name of an example (${names.join(", ")}), found ${found}.\n`);
  process.exit(2);
}

const source = resolve(import.meta.dirname, "..", "src");
registerHooks({
  resolve(specifier, context, next) {
    const match = /^makegood(?:\/([a-z-]+))?$/.exec(specifier);
    const file = match === null ? null : join(source, `${match[1] ?? "index"}.ts`);
    return file !== null && existsSync(file)
      ? { url: pathToFileURL(file).href, shortCircuit: true }
      : next(specifier, context);
  },
});

const file = join(import.meta.dirname, `${name}.ts`);
process.argv = [process.execPath, file, ...args];
await import(pathToFileURL(file).href);
