// DTM's server, built once from the Go module proxy: the release with this checksum, with the dependencies of its own go.sum.
import { spawnSync } from "node:child_process";
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { exitOfGuarded, signalGuarded, startGuarded } from "../../test/services/guarded.ts";
import { findLoopbackPort } from "../../test/services/loopback-port.ts";
import { expectEqual } from "../check.ts";
import { until } from "./sampling.ts";

const release = {
  module: "github.com/dtm-labs/dtm",
  version: "v1.19.0",
  sum: "h1:TKRf21MkelOR6PPGLT9QzNs0ZJF/RLz+zZPkeOwzPPU=",
} as const;

export const dtmVersions: Readonly<Record<string, string>> = { [release.module]: release.version };

const builtFolder = fileURLToPath(new URL(`../dist/dtm-${release.version}/`, import.meta.url));
const sourceFolder = join(builtFolder, "source");
const tables = join(builtFolder, "tables.postgres.sql");
const binary = join(builtFolder, process.platform === "win32" ? "dtm.exe" : "dtm");

export interface DtmServer {
  /** Of its HTTP interface. */
  readonly url: string;
  readonly close: () => Promise<void>;
}

export function canBuildDtm(): boolean {
  return existsSync(binary) || spawnSync("go", ["version"], { stdio: "ignore" }).status === 0;
}

/** Builds it where it is not there yet, which takes some minutes. */
export function buildDtm(): void {
  if (existsSync(binary)) return;
  process.stderr.write(`Building DTM ${release.version} from the Go module proxy (once, some minutes).\n`);
  mkdirSync(builtFolder, { recursive: true });
  const downloaded = go(builtFolder, "mod", "download", "-json", `${release.module}@${release.version}`);
  const { Dir: folder, Sum: sum } = JSON.parse(downloaded) as { readonly Dir: string; readonly Sum: string };
  expectEqual(`the checksum of ${release.module}`, sum, release.sum);
  copyWithLoopback(folder);
  const unfinished = `${binary}.unfinished`;
  go(sourceFolder, "build", "-mod=readonly", "-buildvcs=false", "-o", unfinished, ".");
  copyFileSync(join(sourceFolder, "sqls", "dtmsvr.storage.postgres.sql"), tables);
  rmSync(sourceFolder, { recursive: true });
  renameSync(unfinished, binary);
}

/**
 * DTM listens on every interface, without any authentication, and no setting changes that. This copy listens on loopback;
 * nothing else differs from the release.
 */
function copyWithLoopback(released: string): void {
  const listens = {
    file: join("dtmsvr", "svr.go"),
    everywhere: 'fmt.Sprintf(":%d"',
    onLoopback: 'fmt.Sprintf("127.0.0.1:%d"',
  };
  for (const entry of readdirSync(released, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue;
    const from = join(entry.parentPath, entry.name);
    const path = from.slice(released.length + 1);
    const bytes = readFileSync(from);
    const to = join(sourceFolder, path);
    mkdirSync(dirname(to), { recursive: true });
    if (path === listens.file) {
      const parts = bytes.toString().split(listens.everywhere);
      expectEqual(`places in ${path} that listen`, parts.length - 1, 2);
      writeFileSync(to, parts.join(listens.onLoopback));
    } else writeFileSync(to, bytes);
  }
}

/** What it prints; throws where it fails, having shown why. */
function go(folder: string, ...args: readonly string[]): string {
  const { status, stdout, error } = spawnSync("go", args, {
    cwd: folder,
    env: { ...process.env, GOTOOLCHAIN: "local" },
    stdio: ["ignore", "pipe", "inherit"],
    encoding: "utf8",
  });
  if (status === 0) return stdout;
  throw new Error(
    `Expected go ${args.join(" ")} to succeed, found ${error?.message ?? `exit code ${status}: ${stdout}`}`,
  );
}

/** The statements with which DTM's release creates its tables. */
export function dtmTables(): string {
  return readFileSync(tables, "utf8");
}

/** Its embedded store is a file in `folder`. */
export async function startDtm(folder: string, env: Readonly<Record<string, string>>): Promise<DtmServer> {
  const [http, grpc] = [await findLoopbackPort(), await findLoopbackPort()];
  const pid = await startGuarded({
    command: binary,
    args: [],
    env: { HTTP_PORT: String(http), GRPC_PORT: String(grpc), LOG_LEVEL: "error", GIN_MODE: "release", ...env },
    folder,
    logFile: join(folder, "dtm.log"),
    user: null,
    stopSignal: "SIGTERM",
  });
  const url = `http://127.0.0.1:${http}`;
  await until("DTM to answer", () =>
    fetch(`${url}/api/ping`).then(
      (response) => response.ok,
      () => false,
    ),
  );
  return {
    url,
    close: async () => {
      await signalGuarded(pid, "SIGTERM");
      await exitOfGuarded(pid);
    },
  };
}
