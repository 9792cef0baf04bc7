/** libfaketime, under which a server that a test starts believes in another time. Only the wall clock: timers run on. */
import { chmodSync, existsSync, globSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { findPrivateService, type ServiceKind } from "./service.ts";

export const faketimeService: ServiceKind<string> = {
  title: "libfaketime",
  addressVariable: "MAKEGOOD_TEST_FAKETIME",
  debianPackages: ["libfaketime"],
  filesBeforeInstall: [],
  findBinaries: () => globSync("/usr/lib/*/faketime/libfaketimeMT.so.1").find((file) => existsSync(file)),
};

export interface FakeTime {
  /** For `startPostgres` and `startMariadb`. */
  readonly env: Readonly<Record<string, string>>;
  /** How far ahead of the true time the clock is from now on; below 0: behind. */
  jump(byMs: number): void;
  close(): void;
}

/** Throws where there is none: see `describeWithFakeTime`. */
export function makeFakeTime(): FakeTime {
  const source = findPrivateService(faketimeService);
  if (source.kind !== "binaries") throw new Error(`A clock cannot be made to lie: ${source.kind}.`);
  const folder = mkdtempSync(join(tmpdir(), "makegood-faketime-"));
  // Servers run under accounts of their own, and read the file.
  chmodSync(folder, 0o755);
  const file = join(folder, "offset");
  const jump = (byMs: number): void => writeFileSync(file, `${byMs < 0 ? "-" : "+"}${Math.abs(byMs) / 1_000}s\n`);
  jump(0);
  return {
    env: {
      LD_PRELOAD: source.binaries,
      FAKETIME_TIMESTAMP_FILE: file,
      // The file is read with each question for the time.
      FAKETIME_NO_CACHE: "1",
      FAKETIME_DONT_FAKE_MONOTONIC: "1",
      FAKETIME_DONT_RESET: "1",
    },
    jump,
    close: () => rmSync(folder, { recursive: true, force: true }),
  };
}
