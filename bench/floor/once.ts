// A unique key and a stored answer, written by hand: what `once` is measured against.
import type { Contender } from "../contender.ts";
import { payOnce } from "../once-work.ts";

export const contenders: readonly Contender[] = (["postgres", "mariadb", "sqlite"] as const).map((needs) => ({
  name: "unique key by hand",
  needs,
  settings: "no fingerprint, no retention, no look at what the effect does to the transaction",
  versions: () => ({}),
  cases: payOnce("by hand"),
}));
