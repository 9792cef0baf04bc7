/**
 * Where a test server comes from, the same rule for every service:
 *
 * 1. an address given in the environment is used as it is;
 * 2. else a private instance is started from installed binaries;
 * 3. else, only if `CI` or `MAKEGOOD_INSTALL=1` is set, they are installed from Debian's packages first;
 * 4. else its tests are skipped, with one loud line. Under `CI` that is a failure instead.
 *
 * A server is never used merely because one listens. A new service is one more `ServiceKind`, entered in
 * global-setup.ts.
 */
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";

export interface ServiceKind<Binaries> {
  /** As people know it: "PostgreSQL". */
  readonly title: string;
  /** The environment variable with an address to use. */
  readonly addressVariable: string;
  readonly debianPackages: readonly string[];
  /** Files that must exist before the packages are installed, so that no system-wide server is started. */
  readonly filesBeforeInstall: readonly { readonly path: string; readonly text: string }[];
  readonly findBinaries: () => Binaries | undefined;
}

export type Source<Binaries> =
  | { readonly kind: "address"; readonly url: string }
  | { readonly kind: "binaries"; readonly binaries: Binaries }
  | { readonly kind: "missing"; readonly reason: string };

type Environment = Readonly<Record<string, string | undefined>>;

export function isContinuousIntegration(env: Environment = process.env): boolean {
  return isSet(env["CI"]);
}

/** Rule 1 to 4 for the shared server. Throws where rule 4 calls it a failure. */
export function findService<B>(
  service: ServiceKind<B>,
  env: Environment = process.env,
  install: (service: ServiceKind<B>) => void = installFromDebian,
): Source<B> {
  const url = env[service.addressVariable];
  if (url !== undefined && url !== "") return { kind: "address", url };
  const source = findPrivateService(service, env, install);
  if (source.kind !== "missing") return source;
  return { kind: "missing", reason: `${source.reason}, or set ${service.addressVariable}` };
}

/** Rule 2 to 4, for a test that restarts or kills its server and so needs one of its own. */
export function findPrivateService<B>(
  service: ServiceKind<B>,
  env: Environment = process.env,
  install: (service: ServiceKind<B>) => void = installFromDebian,
): Source<B> {
  const installed = service.findBinaries();
  if (installed !== undefined) return { kind: "binaries", binaries: installed };
  const mayInstall = isContinuousIntegration(env) || env["MAKEGOOD_INSTALL"] === "1";
  if (mayInstall) install(service);
  const binaries = mayInstall ? service.findBinaries() : undefined;
  if (binaries !== undefined) return { kind: "binaries", binaries };
  const reason =
    `expected installed ${service.title} binaries, found none${mayInstall ? " after installing" : ""}; ` +
    `install ${service.title} or set MAKEGOOD_INSTALL=1`;
  if (isContinuousIntegration(env)) throw new Error(`${service.title} is required under CI: ${reason}.`);
  return { kind: "missing", reason };
}

export function announceMissing(title: string, reason: string): void {
  process.stderr.write(`\n!!! SKIPPED: every test that needs ${title}: ${reason}.\n\n`);
}

/** Throws when apt-get fails; does nothing where there is no apt-get. */
function installFromDebian<B>(service: ServiceKind<B>): void {
  if (!existsSync("/usr/bin/apt-get")) return;
  process.stderr.write(`Installing ${service.title} from Debian's packages for the tests.\n`);
  for (const { path, text } of service.filesBeforeInstall) {
    if (existsSync(path)) continue;
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, text);
  }
  aptGet(["update", "-qq"]);
  const keepOurFiles = ["-o", "Dpkg::Options::=--force-confold"];
  aptGet(["install", "-y", "-qq", "--no-install-recommends", ...keepOurFiles, ...service.debianPackages]);
}

function aptGet(args: readonly string[]): void {
  const env = { ...process.env, DEBIAN_FRONTEND: "noninteractive" };
  const { status, error } = spawnSync("apt-get", args, { env, stdio: ["ignore", 2, 2], timeout: 600_000 });
  if (status === 0) return;
  throw new Error(`Expected "apt-get ${args.join(" ")}" to succeed, found exit code ${status}.`, { cause: error });
}

function isSet(value: string | undefined): boolean {
  return value !== undefined && value !== "" && value !== "0" && value !== "false";
}
