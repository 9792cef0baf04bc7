// How much of an inconsistency others may see: what was found, beside what is declared.
import { type ConsistencyLevel, consistencyLevels } from "../core/job.ts";
import type { DryStep } from "./dry-context.ts";
import { bodiesOf, effectOf, effectsOf, found, isRemote, type Seen, usesKey } from "./points/seen.ts";
import type { JobReport } from "./report.ts";

export function levelOf(seen: Seen): JobReport["level"] {
  const declared = seen.job.options.checklist?.level ?? null;
  const { level, why } = find(seen);
  return { found: level, declared, why, findings: compare(level, declared, why) };
}

function find(seen: Seen): { readonly level: ConsistencyLevel | "unknown"; readonly why: string } {
  if (seen.gaps.length > 0) return { level: "unknown", why: seen.gaps.join("; ") };
  const steps = effectsOf(seen);
  const remote = steps.filter(isRemote);
  if (steps.every((step) => effectOf(seen, step) === "natural")) {
    if (steps.length === 0 && seen.job.options.effect !== "natural")
      return { level: "unknown", why: "no step of it was seen" };
    return { level: "natural", why: "whatever it does may be repeated" };
  }
  if (!remote.every((step) => happensOnce(seen, step)))
    return { level: "unknown", why: "a step may happen twice: it makes no use of its key" };
  if (steps.every(({ verb }) => verb === "tcc" || verb === "tcc-tx"))
    return { level: "strict", why: "everything is reserved first, and confirmed together" };
  if (steps.length === 1 && remote.length === 0)
    return { level: "strict", why: "everything is one transaction, with the record of it" };
  if (steps.length === 1) return { level: "recorded", why: "one call, known by its key" };
  return { level: "eventual", why: `${steps.length} steps, each visible before the next` };
}

/** A call of somebody else's: as far as its author says, or its key is used. */
function happensOnce(seen: Seen, step: DryStep): boolean {
  const effect = effectOf(seen, step);
  if (effect === "natural" || effect === "recorded") return true;
  const uses = bodiesOf(step).map(usesKey);
  return effect === "keyed" ? !uses.includes(false) : uses.every((one) => one === true);
}

function compare(level: ConsistencyLevel | "unknown", declared: ConsistencyLevel | null, why: string) {
  if (declared === null || level === declared) return [];
  if (level === "unknown")
    return [
      found(
        "LEVEL_UNKNOWN",
        "warning",
        null,
        `it is declared ${declared}, and which level it has is not known: ${why}`,
        "Settle the other findings; give a sample input.",
      ),
    ];
  if (consistencyLevels.indexOf(level) > consistencyLevels.indexOf(declared)) return [];
  return [
    found(
      "LEVEL_TOO_LOW",
      "error",
      null,
      `it is declared ${declared}, and found ${level}: ${why}`,
      declared === "strict"
        ? "Put the effects into one transaction, or reserve first (`ctx.tcc`)."
        : "Declare the level that it has, or add what is missing.",
    ),
  ];
}
