// What the seven questions are asked of, and what an answer is.
import type { JobSettings } from "../../core/define.ts";
import type { AnyJob, Effect } from "../../core/job.ts";
import { resolveRetry } from "../../core/retry.ts";
import { type DryStep, effectVerbs } from "../dry-context.ts";
import type { Exploration } from "../explore.ts";
import type { Recorded } from "../recorded.ts";
import type { CheckStatus, Finding, FindingCode } from "../report.ts";
import { mentions, textOf } from "../source.ts";

export interface Seen extends Exploration {
  readonly job: AnyJob;
  readonly settings: JobSettings;
  /** Of executions in a store; null: none was asked. */
  readonly recorded: Recorded | null;
}

export interface Answer {
  readonly status: CheckStatus;
  readonly evidence: readonly string[];
  readonly findings: readonly Finding[];
  /** Whether steps that were not reached could change it. */
  readonly needsAll: boolean;
}

export function found(
  code: FindingCode,
  severity: Finding["severity"],
  step: DryStep | null,
  message: string,
  whatToDo: string,
): Finding {
  return { code, severity, step: step?.text ?? null, message, whatToDo };
}

export const quoted = (step: DryStep): string => JSON.stringify(step.text);
export const listed = (steps: readonly DryStep[]): string => steps.map(quoted).join(", ");

/** Those that may change something. */
export const effectsOf = (seen: Seen): readonly DryStep[] =>
  seen.steps.filter(({ verb }) => effectVerbs.includes(verb));

/** Calls of other systems: the outcome can be unknown, and they are repeated. */
export const isRemote = ({ verb }: DryStep): boolean => verb === "step" || verb === "attempt" || verb === "tcc";

export const effectOf = (seen: Seen, { how }: DryStep): Effect | undefined => how.effect ?? seen.job.options.effect;

export const maxAttemptsOf = (seen: Seen, { how, text }: DryStep): number =>
  resolveRetry(how.retry as never, seen.settings.retry, `retry of step ${text}`).maxAttempts;

/** The functions of a step that change something. */
export const bodiesOf = ({ how }: DryStep): readonly unknown[] =>
  [how.run, how.try, how.confirm].filter((body) => typeof body === "function");

const ofKey = /\bkey\b|\bactionKey\b|\bheaders\b|idempot/i;

/** Whether a function hands on a key. False only where it certainly does not: it takes no argument that has one. */
export function usesKey(body: unknown): boolean | undefined {
  if (typeof body !== "function") return undefined;
  if (mentions(body, ofKey) === true) return true;
  // `(...args)` and `arguments` take what they are given, and a bound function hides what it takes.
  return body.length === 0 && mentions(body, /\.\.\.|\barguments\b/) === false ? false : undefined;
}

const byVersionOrState = /\.\s*(?:move|tryMove|updateVersioned)\s*\(/;
const byLock = /\.\s*(?:move|tryMove|updateVersioned|lock|once)\s*\(|FOR UPDATE/i;
const setsState = /\bSET\b[^;]*?\b(?:state|status)\b\s*=|\bset\s*\(\s*\{[^}]*\b(?:state|status)\b\s*:/i;

export const movesByRule = (body: unknown): boolean => byVersionOrState.test(textOf(body) ?? "");
export const guardsRow = (body: unknown): boolean => byLock.test(textOf(body) ?? "");
export const setsStateByHand = (body: unknown): boolean => setsState.test(textOf(body) ?? "") && !movesByRule(body);
