// Does everything end?
import { formatMs } from "../../core/duration.ts";
import { type Answer, effectsOf, found, isRemote, quoted, type Seen } from "./seen.ts";

export function timeout(seen: Seen): Answer {
  const { job, settings } = seen;
  const { attemptTimeoutMs, timeoutMs } = settings;
  const endless = effectsOf(seen).filter(
    (step) => isRemote(step) && (step.how.timeout === 0 || (step.how.timeout === undefined && attemptTimeoutMs === 0)),
  );
  const waits = seen.steps.filter(
    ({ verb, how }) => (verb === "wait" && how.timeout === undefined) || verb === "child",
  );
  const findings = [
    ...endless.map((step) =>
      found(
        "NO_TIMEOUT",
        "error",
        step,
        `step ${quoted(step)} may take for ever: its attempts have no timeout`,
        "Give the step a `timeout`, or the job an `attemptTimeout`.",
      ),
    ),
    ...(timeoutMs === null ? waits : []).map((step) =>
      found(
        "WAITS_FOR_EVER",
        "warning",
        step,
        `${quoted(step)} waits for as long as it takes, and the job has no timeout`,
        "Give the wait a `timeout`, or the job.",
      ),
    ),
  ];
  const isDeclared = job.options.timeout !== undefined || job.options.attemptTimeout !== undefined;
  const evidence = [
    attemptTimeoutMs === 0
      ? "attempts have no timeout"
      : `attempts end after ${formatMs(attemptTimeoutMs)}${job.options.attemptTimeout === undefined ? ", the default" : ""}`,
    timeoutMs === null ? "the whole has no timeout" : `the whole ends after ${formatMs(timeoutMs)}`,
  ];
  // If the whole has an end, and each attempt, then so has what was not seen.
  const needsAll = timeoutMs === null || attemptTimeoutMs === 0;
  return { status: isDeclared ? "declared" : "derived", evidence, findings, needsAll };
}
