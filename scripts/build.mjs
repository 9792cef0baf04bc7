/** Builds dist/ from src/: JavaScript, types and source maps by `tsc`, and the migrations' SQL files beside them. */
import { spawnSync } from "node:child_process";
import { cpSync, readdirSync, rmSync } from "node:fs";
import { join, resolve } from "node:path";

const root = resolve(import.meta.dirname, "..");
const source = join(root, "src");
const target = join(root, "dist");

rmSync(target, { recursive: true, force: true });
const tsc = join(root, "node_modules", "typescript", "bin", "tsc");
const { status } = spawnSync(process.execPath, [tsc, "-p", join(root, "tsconfig.build.json")], { stdio: "inherit" });
if (status !== 0) process.exit(status ?? 1);
for (const path of readdirSync(source, { recursive: true, encoding: "utf8" })) {
  if (path.endsWith(".sql")) cpSync(join(source, path), join(target, path));
}
