// Makes the package's own name mean src/ of this checkout: `node --import ./examples/source.mjs FILE`.
import { existsSync } from "node:fs";
import { registerHooks } from "node:module";
import { join, resolve } from "node:path";
import { pathToFileURL } from "node:url";

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
