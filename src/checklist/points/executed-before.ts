// Is a start that comes twice known for what it is?
import { type Answer, found, type Seen } from "./seen.ts";

const needsAll = false;

export function executedBefore(seen: Seen): Answer {
  const { key, job, settings } = seen;
  switch (key.kind) {
    case "made":
      if (!key.isOfInput) return ofEveryInput(key.texts);
      return {
        status: "derived",
        evidence: [`its key is ${listTexts(key.texts)}, the same under two clocks`],
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

function ofEveryInput(texts: readonly string[]): Answer {
  const message = `its key is ${listTexts(texts)}, whatever the input: of all starts only the first is carried out`;
  const whatToDo =
    'Make the key of what tells one input from another, or say why one is enough: `checklist: { "executed before": "one for all" }`.';
  const findings = [found("KEY_WITHOUT_INPUT", "warning", null, message, whatToDo)];
  return { status: "unknown", evidence: [], findings, needsAll };
}

const listTexts = (texts: readonly string[]): string => [...new Set(texts)].join(" or ");
