/**
 * Where packages come from: every entry of package-lock.json is a version with a SHA-512 of the registry that the
 * installing npm is set to. No address is recorded (.npmrc, `omit-lockfile-registry-resolved`), so an entry that has
 * one came from elsewhere: git, a tarball, a folder.
 */
import { readFileSync } from "node:fs";
import { resolve } from "node:path";

const root = resolve(import.meta.dirname, "..");
const lock = JSON.parse(readFileSync(resolve(root, "package-lock.json"), "utf8"));
const manifest = JSON.parse(readFileSync(resolve(root, "package.json"), "utf8"));
const entries = Object.entries(lock.packages).filter(([path]) => path !== "");

const faults = entries.flatMap(([path, entry]) => {
  if (entry.resolved !== undefined) return [`${path}: expected no address, found ${entry.resolved}.`];
  if (entry.link) return [`${path}: expected a package of the registry, found a link.`];
  if (entry.inBundle) return [];
  if (!/^\d+\.\d+\.\d+/.test(entry.version ?? "")) return [`${path}: expected a version, found ${entry.version}.`];
  if (!entry.integrity?.startsWith("sha512-")) return [`${path}: expected a SHA-512, found ${entry.integrity}.`];
  return [];
});
// npm leaves out, without a word, an optional platform package that its registry lacks; `npm ci` then fails everywhere.
const names = new Set(entries.map(([path]) => path.slice(path.lastIndexOf("node_modules/") + "node_modules/".length)));
for (const [path, entry] of entries) {
  const missing = Object.keys(entry.optionalDependencies ?? {}).filter((name) => !names.has(name));
  if (missing.length > 0)
    faults.push(`${path}: expected its optional ${missing.join(", ")} in the lockfile, found none.`);
}
const own = lock.packages[""];
for (const kind of ["dependencies", "devDependencies", "optionalDependencies", "peerDependencies"]) {
  for (const [name, range] of Object.entries(manifest[kind] ?? {})) {
    if (own[kind]?.[name] !== range)
      faults.push(`${name}: package.json asks for ${range}, the lockfile for ${own[kind]?.[name]}.`);
    if (/[:/]/.test(range)) faults.push(`${name}: expected a version range, found ${range}.`);
  }
}
for (const fault of faults) console.error(fault);
console.log(`${entries.length} packages, ${faults.length} faults.`);
if (faults.length > 0) process.exitCode = 1;
