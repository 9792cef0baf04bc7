// makegood itself, on every store: the cases of all suites.
import { readFileSync } from "node:fs";
import type { Contender } from "./contender.ts";
import { concurrency } from "./store.ts";
import { suites } from "./suites.ts";

/** They copy rows by SQL of their own, or need a participant that is not there yet. */
const missingOnMariadb: readonly string[] = ["scale", "schedules", "levels"];

export const contenders: readonly Contender[] = (["postgres", "mariadb", "sqlite"] as const).map((needs) => ({
  name: "makegood",
  needs,
  settings: `concurrency ${concurrency}`,
  versions: () => ({ makegood: ownVersion() }),
  cases: Object.fromEntries(
    suites
      .filter(({ name }) => needs !== "mariadb" || !missingOnMariadb.includes(name))
      .flatMap(({ name, cases }) => cases.map(({ id, ours }) => [`${name}/${id}`, ours])),
  ),
}));

function ownVersion(): string {
  const manifest = new URL("../package.json", import.meta.url);
  return (JSON.parse(readFileSync(manifest, "utf8")) as { readonly version: string }).version;
}
