// makegood itself, on every store: the cases of all suites.
import { readFileSync } from "node:fs";
import type { Contender } from "./contender.ts";
import { concurrency } from "./store.ts";
import { earlyCases } from "./suites/steps.ts";
import { suites } from "./suites.ts";

/** They copy rows by SQL of their own, or need a participant that is not there yet. */
const missingOnMariadb: readonly string[] = ["scale", "schedules", "levels"];

/** What others are compared with comes first. */
export const contenders: readonly Contender[] = (["postgres", "mariadb", "sqlite"] as const).flatMap((needs) => {
  const shared = { needs, versions: () => ({ makegood: ownVersion() }) };
  const cases = suites
    .filter(({ name }) => needs !== "mariadb" || !missingOnMariadb.includes(name))
    .flatMap(({ name, cases }) => cases.map(({ id, ours }) => [`${name}/${id}`, ours]));
  return [
    { ...shared, name: "makegood", settings: `concurrency ${concurrency}`, cases: Object.fromEntries(cases) },
    {
      ...shared,
      name: "makegood, early",
      settings: `concurrency ${concurrency}, results: "early"`,
      cases: earlyCases,
    },
  ];
});

function ownVersion(): string {
  const manifest = new URL("../package.json", import.meta.url);
  return (JSON.parse(readFileSync(manifest, "utf8")) as { readonly version: string }).version;
}
