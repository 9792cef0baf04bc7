import { CatalogError } from "../core/errors.ts";
import type { StepName } from "../core/job.ts";
import { reservedSteps } from "../core/journal.ts";
import { validateStepName } from "../core/keys.ts";
import type { Ask, Call } from "./calls.ts";

/**
 * A call by this name. Throws STEP_NAME_INVALID, STEP_NAME_REUSED and STEP_LIMIT, which the function gets to hear: they are
 * mistakes in its code.
 */
export function newCall(
  known: ReadonlyMap<string, Call>,
  maxSteps: number,
  name: StepName,
  ask: Ask,
  more: Pick<Call, "started" | "behind" | "isDirty" | "resolve" | "reject">,
): Call {
  const isPivot = ask.kind === "pivot";
  const { pivot } = reservedSteps;
  const named = isPivot ? { name: pivot, id: undefined, text: pivot } : validateStepName(name);
  if (known.has(named.text))
    throw new CatalogError(
      "STEP_NAME_REUSED",
      `expected each step once per execution, found ${JSON.stringify(named.text)} a second time. Give each use its own id: ctx.step([${JSON.stringify(named.name)}, id], …)`,
      { step: named.text },
    );
  if (known.size >= maxSteps)
    throw new CatalogError(
      "STEP_LIMIT",
      `expected at most ${maxSteps} steps in one execution, found one more: ${JSON.stringify(named.text)}. Give parts of the work to children (ctx.start), or raise limits.maxSteps`,
      { step: named.text, maxSteps },
    );
  return {
    ask,
    step: named.text,
    name: named.name,
    id: named.id,
    role: ask.kind === "tcc" || ask.kind === "tcc-tx" ? "try" : "action",
    row: undefined,
    isUnknown: false,
    refusal: undefined,
    landed: undefined,
    started: more.started,
    behind: more.behind,
    isDirty: more.isDirty,
    resolve: more.resolve,
    reject: more.reject,
  };
}
