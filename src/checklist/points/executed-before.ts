// Is a start that comes twice known for what it is?
import { type Answer, found, type Seen } from "./seen.ts";

const needsAll = false;

export function executedBefore(seen: Seen): Answer {
  const { key, job, settings } = seen;
  switch (key.kind) {
    case "made":
      return {
        status: "derived",
        evidence: [`its key is ${[...new Set(key.texts)].join(" or ")}, the same under two clocks`],
        findings: [],
        needsAll,
      };
    case "unstable":
      return {
        status: "derived",
        evidence: [],
        findings: [
          found(
            "KEY_UNSTABLE",
            "error",
            null,
            `the key of one input is ${JSON.stringify(key.one)} and, at another time or run, ${JSON.stringify(key.other)}: what comes twice is done twice`,
            "Make the key of business data alone: no clock, no chance, no counter.",
          ),
        ],
        needsAll,
      };
    case "failed":
      return {
        status: "unknown",
        evidence: [],
        findings: [
          found(
            "KEY_UNREADABLE",
            "warning",
            null,
            `the key could not be made of an unknown input: ${key.why}`,
            "Give a sample input.",
          ),
        ],
        needsAll,
      };
    case "none":
      break;
  }
  const { triggers } = settings;
  if (triggers.length > 0)
    return {
      status: "derived",
      evidence: [
        `each ${triggers.map(({ kind }) => (kind === "message" ? "message" : "fire")).join(" and ")} starts it once`,
      ],
      findings: [],
      needsAll,
    };
  if (job.options.effect === "natural")
    return { status: "declared", evidence: ["its effect is declared natural"], findings: [], needsAll };
  return {
    status: "unknown",
    evidence: [],
    findings: [
      found(
        "NO_KEY",
        "warning",
        null,
        "it has no key: each start is a new execution, so a request that is sent twice is done twice",
        "Give it `key: (input) => …`, made of business data.",
      ),
    ],
    needsAll,
  };
}
