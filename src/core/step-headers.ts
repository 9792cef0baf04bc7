import type { Role } from "./journal.ts";

/** Lower-case names of the HTTP headers that carry a step's identity to a remote participant. Public: never renamed. */
export const stepHeaderNames = {
  executionId: "makegood-execution",
  step: "makegood-step",
  role: "makegood-role",
  round: "makegood-round",
  key: "idempotency-key",
} as const;

export interface StepIdentity {
  readonly executionId: string;
  /** As in the journal: name, or name + ":" + id. */
  readonly step: string;
  readonly role: Role;
  readonly round: number;
  /** The idempotency key of this step in this role. */
  readonly key: string;
}

/**
 * What `step.headers()` returns. All values are printable ASCII: the step, which may hold letters of any script, is
 * percent-encoded UTF-8 (`decodeURIComponent` reads it back). The key is sent bare, without the quotes of the IETF draft
 * of Idempotency-Key, as the payment providers that honor the header expect it.
 */
export function stepHeaders({ executionId, step, role, round, key }: StepIdentity): Readonly<Record<string, string>> {
  return {
    [stepHeaderNames.executionId]: executionId,
    [stepHeaderNames.step]: encodeURIComponent(step),
    [stepHeaderNames.role]: role,
    [stepHeaderNames.round]: String(round),
    [stepHeaderNames.key]: key,
  };
}
