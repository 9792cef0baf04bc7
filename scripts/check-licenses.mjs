/**
 * The license of every package in package-lock.json, for all platforms, against a list of those that permit what we do
 * with it. What users get (dependencies and peers) must be permissive; what only builds and tests may be more.
 *
 * A script of ours: the ready-made ones bring over a hundred packages to read a field that npm's lockfile has.
 */
import { readFileSync } from "node:fs";
import { resolve } from "node:path";

const permissive = new Set([
  "0BSD",
  "Apache-2.0",
  "BlueOak-1.0.0",
  "BSD-2-Clause",
  "BSD-3-Clause",
  "CC0-1.0",
  "ISC",
  "MIT",
  "MIT-0",
  "Unlicense",
]);
/** Fine for tools that are run and not shipped. */
const forTools = new Set([
  ...permissive,
  "CC-BY-3.0",
  "CC-BY-4.0",
  "EPL-2.0",
  "LGPL-2.1-or-later",
  "MPL-2.0",
  "Python-2.0",
]);
/** Packages whose package.json does not say it: what their license file says, read by a person. */
const readByHand = {
  "@visx/vendor": "MIT AND ISC",
  busboy: "MIT",
  "seq-queue": "MIT",
  streamsearch: "MIT",
};

const root = resolve(import.meta.dirname, "..");
const { packages } = JSON.parse(readFileSync(resolve(root, "package-lock.json"), "utf8"));
const entries = Object.entries(packages).filter(([path]) => path !== "");

const faults = entries.flatMap(([path, entry]) => {
  const name = path.slice(path.lastIndexOf("node_modules/") + "node_modules/".length);
  const license = readByHand[name] ?? entry.license ?? "none named";
  const allowed = entry.dev ? forTools : permissive;
  return isAllowed(license, allowed)
    ? []
    : [`${name} ${entry.version}: expected a license of the list, found ${license}.`];
});
for (const fault of faults) console.error(fault);
console.log(`${entries.length} packages, ${faults.length} faults.`);
if (faults.length > 0) process.exitCode = 1;

/** SPDX expressions of the forms "A", "A OR B", "A AND B", with or without parentheses; anything else is refused. */
function isAllowed(expression, allowed) {
  const text = expression.replace(/^\((.*)\)$/, "$1");
  if (/[()]/.test(text)) return false;
  return text.split(" OR ").some((choice) => choice.split(" AND ").every((license) => allowed.has(license)));
}
