/**
 * What npm would publish: builds, packs into a temporary folder, and asks publint and are-the-types-wrong about that
 * very tarball; then looks for what neither looks for: files that should not be in it and paths of this machine.
 */
import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { homedir, tmpdir } from "node:os";
import { join, resolve } from "node:path";

const root = resolve(import.meta.dirname, "..");
const isWindows = process.platform === "win32";
const folder = mkdtempSync(join(tmpdir(), "makegood-package-"));
try {
  check();
} finally {
  rmSync(folder, { recursive: true, force: true });
}

function check() {
  if (!run(process.execPath, join(root, "scripts", "build.mjs"))) return;
  const npm = isWindows ? "npm.cmd" : "npm";
  if (!run(npm, "pack", "--ignore-scripts", "--loglevel=error", "--pack-destination", folder)) return;
  const [name] = readdirSync(folder);
  const tarball = join(folder, name);
  run("publint", "run", tarball, "--strict");
  run("attw", tarball, "--profile", "esm-only", "--no-emoji");
  for (const fault of faultsIn(tarball)) {
    console.error(fault);
    process.exitCode = 1;
  }
}

function run(command, ...args) {
  const { status, error } = spawnSync(command, args, { cwd: root, stdio: "inherit", shell: isWindows });
  if (status === 0) return true;
  console.error(`${command}: expected success, found ${error?.message ?? `exit code ${status}`}.`);
  process.exitCode = 1;
  return false;
}

function faultsIn(tarball) {
  spawnSync("tar", ["-xf", tarball, "-C", folder]);
  const unpacked = join(folder, "package");
  const files = readdirSync(unpacked, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  const faults = ["LICENSE", "README.md", "CHANGELOG.md"]
    .filter((file) => !existsSync(join(unpacked, file)))
    .map((file) => `expected ${file} in the package, found none.`);
  for (const file of files) {
    const path = join(file.parentPath, file.name);
    const place = path.slice(unpacked.length + 1);
    const text = readFileSync(path, "utf8");
    if (/\.test(-d)?\./.test(place)) faults.push(`${place}: expected no test in the package.`);
    for (const machinePath of [root, homedir()].filter((it) => it.length > 1)) {
      if (text.includes(`${machinePath}/`))
        faults.push(`${place}: expected no path of this machine, found ${machinePath}.`);
    }
  }
  console.log(`${files.length} files in the package, ${faults.length} faults.`);
  return faults;
}
