// A unique key and a stored answer, written by hand: what `once` is measured against.
import type { Contender } from "../contender.ts";
import { payOnce } from "../once-work.ts";

export const contenders: readonly Contender[] = (["postgres", "sqlite"] as const).map((needs) => ({
  name: "unique key by hand",
  needs,
  settings: "no fingerprint, no retention, no look at what the effect does to the transaction",
  versions: () => ({}),
  cases: { "once/1": payOnce("by hand", 1), "once/32": payOnce("by hand", 32) },
}));
