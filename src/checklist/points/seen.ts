// What the seven questions are asked of, and what an answer is.
import type { JobSettings } from "../../core/define.ts";
import type { AnyJob, Effect } from "../../core/job.ts";
import { resolveRetry } from "../../core/retry.ts";
import { type DryStep, effectVerbs } from "../dry-context.ts";
import type { Exploration } from "../explore.ts";
import type { Recorded } from "../recorded.ts";
import type { CheckStatus, Finding, FindingCode } from "../report.ts";
import { isEmpty, textOf, usesMember } from "../source.ts";

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

const ofKey = ["key", "actionKey", "headers"];

/** Whether a function makes use of its step's key. False only where it certainly does not. */
export const usesKey = (body: unknown): boolean | undefined => (isFunction(body) ? usesMember(body, ofKey) : undefined);

/** Whether it undoes anything. */
export const undoes = (body: unknown): boolean => isFunction(body) && !isEmpty(body);

const isFunction = (body: unknown): body is (...args: never[]) => unknown => typeof body === "function";

// Guesses by names, which anything may bear. They are shown, and turn no answer to the better.

const byRule = /\.\s*(?:move|tryMove|updateVersioned)\s*\(/;
const byLock = /\.\s*(?:move|tryMove|updateVersioned|lock)\s*\(|FOR UPDATE/i;
const setsState = /\bSET\b[^;]*?\b(?:state|status)\b\s*=|\bset\s*\(\s*\{[^}]*\b(?:state|status)\b\s*:/i;
const callsOut = /\bfetch\s*\(|\baxios\b|\bhttps?\s*\.\s*(?:request|get)\s*\(/;

export const seemsToMove = (body: unknown): boolean => byRule.test(textOf(body) ?? "");
export const seemsToGuard = (body: unknown): boolean => byLock.test(textOf(body) ?? "");
export const setsStateByHand = (body: unknown): boolean => setsState.test(textOf(body) ?? "") && !seemsToMove(body);
export const seemsToCallOut = (body: unknown): boolean => callsOut.test(textOf(body) ?? "");
