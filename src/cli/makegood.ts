#!/usr/bin/env node
// The package's command. Nothing of ours is imported before Node is known to be new enough: an older one would end with the
// trace of an import that it lacks.
import { readFileSync } from "node:fs";
import type { Terminal } from "./command.ts";

/** Of this package's `engines`. */
function oldestNode(): string {
  const { engines } = JSON.parse(readFileSync(new URL("../../package.json", import.meta.url), "utf8"));
  return String(engines.node).replace(">=", "");
}

function isOlder(found: string, than: string): boolean {
  const [major = 0, minor = 0] = found.split(".").map(Number);
  const [leastMajor = 0, leastMinor = 0] = than.split(".").map(Number);
  return major < leastMajor || (major === leastMajor && minor < leastMinor);
}

function processTerminal(): Terminal {
  return {
    print: (text) => process.stdout.write(`${text}\n`),
    printError: (text) => process.stderr.write(`${text}\n`),
    redraw: (line) => process.stderr.write(`\r\u001b[2K${line}`),
    isInteractive: process.stderr.isTTY === true,
    columns: process.stderr.columns ?? 80,
  };
}

const done = 0;
const failed = 1;

/** Who reads the output may stop early, as `head` does: then there is nothing left to say. */
function endWithReader(error: Error): void {
  if ("code" in error && error.code === "EPIPE") process.exit(done);
  throw error;
}

const found = process.versions.node;
const oldest = oldestNode();
if (isOlder(found, oldest)) {
  process.stderr.write(`makegood: expected Node ${oldest} or later, found ${found}; install a later one\n`);
  process.exit(failed);
}
process.stdout.on("error", endWithReader);
const { main } = await import("./main.ts");
const code = await main(process.argv.slice(2), processTerminal());
// What a module of the user's left open must not hold up the end. What was printed has been written by then.
process.stdout.write("", () => process.exit(code));
