// What a checklist says. Plain data: printed as a table, or as JSON.
import type { CheckPoint, ConsistencyLevel } from "../core/job.ts";

/** `declared`: the author says so. `derived`: seen, with the evidence. `unknown`: neither, and never good. */
export type CheckStatus = "declared" | "derived" | "unknown";
export type Severity = "ok" | "warning" | "error";

/** Something that is not as it should be, or not known. The codes are stable. */
export interface Finding {
  readonly code: FindingCode;
  readonly severity: Exclude<Severity, "ok">;
  /** Of a step, its name. */
  readonly step: string | null;
  readonly message: string;
  readonly whatToDo: string;
}

export const findingCodes = [
  "NO_KEY",
  "KEY_UNSTABLE",
  "KEY_WITHOUT_INPUT",
  "KEY_UNREADABLE",
  "RETRY_WITHOUT_KEY",
  "REPEAT_WITHOUT_KEY",
  "EFFECT_CONTRADICTED",
  "UNDO_WITHOUT_KEY",
  "KEY_USE_UNKNOWN",
  "CALL_IN_TRANSACTION",
  "STEP_NAME_REUSED",
  "NO_STEPS",
  "STATE_SET_BY_HAND",
  "TRANSITIONS_UNKNOWN",
  "NO_COMPENSATION",
  "COMPENSATION_AFTER_PIVOT",
  "IRREVERSIBLE_TOO_EARLY",
  "RESERVATION_AFTER_PIVOT",
  "NOT_FINDABLE",
  "NO_TIMEOUT",
  "WAITS_FOR_EVER",
  "CONCURRENCY_UNKNOWN",
  "NOT_SEEN_WHOLE",
  "LEVEL_TOO_LOW",
  "LEVEL_UNKNOWN",
] as const;
export type FindingCode = (typeof findingCodes)[number];

export interface PointReport {
  readonly point: CheckPoint;
  readonly status: CheckStatus;
  /** The worst of its findings; of an unknown point at least a warning. */
  readonly severity: Severity;
  readonly evidence: readonly string[];
  readonly findings: readonly Finding[];
  /** The page that tells more. */
  readonly docs: string;
}

export interface JobReport {
  readonly job: string;
  readonly version: number;
  readonly severity: Severity;
  readonly level: {
    readonly found: ConsistencyLevel | "unknown";
    readonly declared: ConsistencyLevel | null;
    readonly why: string;
    readonly findings: readonly Finding[];
  };
  readonly points: readonly PointReport[];
  /** In the order in which they were first reached. */
  readonly steps: readonly string[];
}

export interface ChecklistReport {
  readonly severity: Severity;
  readonly jobs: readonly JobReport[];
}

const order: readonly Severity[] = ["ok", "warning", "error"];

export function worst(severities: Iterable<Severity>): Severity {
  let found: Severity = "ok";
  for (const severity of severities) if (order.indexOf(severity) > order.indexOf(found)) found = severity;
  return found;
}
