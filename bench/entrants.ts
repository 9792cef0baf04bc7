// Who takes part: makegood, the floor and the peers, each with the module that its samples load.
import { spawnSync } from "node:child_process";
import { readdirSync, statSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { UsageError, type Wish } from "./arguments.ts";
import type { Contender } from "./contender.ts";
import { contenders as ours } from "./ours.ts";

export interface Entrant {
  readonly role: "ours" | "floor" | "peer";
  /** Relative to this folder. */
  readonly module: string;
  readonly contender: Contender;
}

/** In the order in which they are shown. Throws UsageError where a name is wished for that nobody has. */
export async function findEntrants(wish: Wish): Promise<readonly Entrant[]> {
  const all = [
    ...ours.map((contender): Entrant => ({ role: "ours", module: "./ours.ts", contender })),
    ...(wish.withFloor ? await floors() : []),
    ...(wish.withPeers ? await peers() : []),
  ];
  const stores: readonly string[] = wish.stores.map(({ kind }) => kind);
  const eligible = all.filter(({ role, contender }) => role === "peer" || stores.includes(contender.needs));
  for (const part of wish.contenders) if (!eligible.some((it) => hasName(it, part))) throw nobody(part, eligible);
  return eligible.filter((it) => wish.contenders.length === 0 || wish.contenders.some((part) => hasName(it, part)));
}

const hasName = ({ contender }: Entrant, part: string): boolean =>
  contender.name.toLowerCase().includes(part.toLowerCase());

function nobody(part: string, all: readonly Entrant[]): UsageError {
  const names = [...new Set(all.map(({ contender }) => contender.name))].join("; ");
  return new UsageError(
    `--contender: expected a part of one of these names, found "${part}": ${names}. Floor and peers take part with --floor and --peers.`,
  );
}

async function floors(): Promise<readonly Entrant[]> {
  const modules = ["./floor/postgres.ts", "./floor/sqlite.ts", "./floor/once.ts"];
  return (await Promise.all(modules.map((module) => load("floor", module)))).flat();
}

/** Every module of `peers/` that has a list of contenders; others are what these share. */
async function peers(): Promise<readonly Entrant[]> {
  installPeers();
  const files = readdirSync(new URL("./peers/", import.meta.url)).filter((name) => name.endsWith(".ts"));
  return (await Promise.all(files.sort().map((name) => load("peer", `./peers/${name}`)))).flat();
}

async function load(role: Entrant["role"], module: string): Promise<readonly Entrant[]> {
  const { contenders = [] } = (await import(new URL(module, import.meta.url).href)) as {
    readonly contenders?: readonly Contender[];
  };
  return contenders.map((contender) => ({ role, module, contender }));
}

/** `npm ci` in this folder, where the packages are missing or older than the lockfile. Nothing of theirs runs while installed. */
function installPeers(): void {
  const modifiedAt = (file: string): number =>
    statSync(new URL(file, import.meta.url), { throwIfNoEntry: false })?.mtimeMs ?? 0;
  if (modifiedAt("./node_modules/.package-lock.json") >= modifiedAt("./package-lock.json")) return;
  process.stderr.write("Installing the peers into bench/node_modules (npm ci, once).\n");
  const { status, error } = spawnSync("npm", ["ci", "--ignore-scripts", "--no-audit", "--no-fund"], {
    cwd: fileURLToPath(new URL(".", import.meta.url)),
    stdio: ["ignore", 2, 2],
    shell: process.platform === "win32",
  });
  if (status === 0) return;
  const found = error?.message ?? `exit code ${status}`;
  throw new UsageError(
    `--peers: expected npm to install them, found ${found}; check that the npm registry can be reached (npm ping).`,
  );
}
