// The seven questions, asked of each job.
import { resolveJobSettings } from "../core/define.ts";
import { describeValue, OptionError } from "../core/errors.ts";
import { type AnyJob, type CheckPoint, checkPoints } from "../core/job.ts";
import { validateNamespace } from "../core/keys.ts";
import { checkOptions } from "../core/options.ts";
import { validateInput } from "../core/schema.ts";
import type { Store } from "../core/store.ts";
import { effectVerbs } from "./dry-context.ts";
import { explore } from "./explore.ts";
import { levelOf } from "./level.ts";
import { compensated } from "./points/compensated.ts";
import { concurrency } from "./points/concurrency.ts";
import { executedBefore } from "./points/executed-before.ts";
import { idempotent } from "./points/idempotent.ts";
import { type Answer, found, type Seen } from "./points/seen.ts";
import { timeout } from "./points/timeout.ts";
import { traceable } from "./points/traceable.ts";
import { transitions } from "./points/transitions.ts";
import { readRecorded } from "./recorded.ts";
import { type ChecklistReport, type JobReport, type PointReport, worst } from "./report.ts";

export interface ChecklistOptions {
  /** Inputs by the name of the job, as they would be handed to `app.start`. Without any, the function is run with an input that nobody knows. */
  readonly samples?: Readonly<Record<string, readonly unknown[]>>;
  /** Where executions of the jobs are, opened: the newest 50 of each are looked at. */
  readonly store?: Store;
  /** Of those executions. Default `default`. */
  readonly namespace?: string;
  /**
   * The same jobs, of modules that were loaded a second time, such as in another process or by `import("./jobs.ts?again")`. Keys
   * and names of steps must be the same of both: what a module makes once when it is loaded is not seen otherwise.
   */
  readonly again?: readonly AnyJob[];
}

const answers: Readonly<Record<CheckPoint, (seen: Seen) => Answer>> = {
  "executed before": executedBefore,
  idempotent,
  transitions,
  compensated,
  traceable,
  timeout,
  concurrency,
};
const pages: Readonly<Record<CheckPoint, string>> = {
  "executed before": "docs/jobs.md#keys-and-rounds",
  idempotent: "docs/jobs.md#steps",
  transitions: "docs/state-machines.md",
  compensated: "docs/jobs.md#failure-and-compensation",
  traceable: "docs/operations.md",
  timeout: "docs/jobs.md#options-of-a-job",
  concurrency: "docs/jobs.md#options-of-a-job",
};

/**
 * Walks jobs through the seven points. Changes nothing: no body of a step is called. The functions themselves are run, many
 * times, on a context that does nothing; what they do outside of steps, they do. While it runs, clock and chance of the
 * process are changed: run nothing beside it.
 *
 * @throws OPTION_INVALID, and INPUT_INVALID for a sample that its job's schema refuses.
 */
export async function checklist(jobs: readonly AnyJob[], options: ChecklistOptions = {}): Promise<ChecklistReport> {
  checkOptions(options, ["samples", "store", "namespace", "again"], "checklist");
  const { samples = {}, again } = options;
  if (again !== undefined && !Array.isArray(again))
    throw new OptionError("again", `again: expected a list of jobs, found ${describeValue(again)}`);
  const strange = Object.keys(samples).find((name) => !jobs.some((job) => job.name === name));
  if (strange !== undefined)
    throw new OptionError("samples", `samples: expected names of the jobs, found ${describeValue(strange)}`);
  const reports: JobReport[] = [];
  for (const job of jobs) reports.push(await checkJob(job, samples[job.name] ?? [], options));
  return { severity: worst(reports.map(({ severity }) => severity)), jobs: reports };
}

async function checkJob(job: AnyJob, samples: readonly unknown[], options: ChecklistOptions): Promise<JobReport> {
  const namespace = validateNamespace(options.namespace ?? "default");
  const recorded = options.store === undefined ? null : await readRecorded(options.store.reads, namespace, job);
  const twin = options.again?.find(({ name, version }) => name === job.name && version === job.version);
  const explored = await explore(job, await parse(job, samples), twin);
  const names = new Set(explored.steps.map(({ name }) => name));
  const unreached = recorded?.steps.filter((step) => !names.has(step)) ?? [];
  const { effect } = job.options;
  const hasEffects = explored.steps.some(({ verb }) => effectVerbs.includes(verb));
  const outside = hasEffects ? [] : ["no step of it changes anything, and what it does outside of steps is not seen"];
  const gaps = [
    ...explored.gaps,
    ...(unreached.length > 0 ? [`recorded executions have other steps: ${unreached.join(", ")}`] : []),
  ];
  const seen: Seen = { ...explored, gaps: [...gaps, ...outside], job, settings: resolveJobSettings(job), recorded };
  const points = checkPoints.map((point) => report(point, seen));
  // What is outside of steps has the effect that the job declares.
  const level = levelOf(effect === undefined ? seen : { ...seen, gaps });
  return {
    job: job.name,
    version: job.version,
    severity: worst([...points, ...level.findings].map(({ severity }) => severity)),
    level,
    points,
    steps: [...new Set(seen.steps.filter(({ verb }) => verb !== "child").map(({ text }) => text))],
  };
}

/** As the handler would get them. */
async function parse(job: AnyJob, samples: readonly unknown[]): Promise<readonly unknown[]> {
  const schema = job.options.input;
  if (schema === undefined) return samples;
  return Promise.all(
    samples.map(async (sample) => {
      const checked = await validateInput(schema, sample, { what: `sample of ${job.name}` });
      if (!checked.ok) throw checked.error;
      return checked.value;
    }),
  );
}

function report(point: CheckPoint, seen: Seen): PointReport {
  const answer = withGaps(answers[point](seen), seen.gaps);
  const why = seen.job.options.checklist?.[point];
  const { status, evidence, findings } = why === undefined ? answer : declared(answer, why);
  const severities = [...findings.map(({ severity }) => severity), status === "unknown" ? "warning" : "ok"] as const;
  return { point, status, severity: worst(severities), evidence, findings, docs: pages[point] };
}

/** What was not seen whole is not known. */
function withGaps(answer: Answer, gaps: readonly string[]): Answer {
  if (!answer.needsAll || gaps.length === 0) return answer;
  const gap = found(
    "NOT_SEEN_WHOLE",
    "warning",
    null,
    `there may be steps that were not seen: ${gaps.join("; ")}`,
    "Give sample inputs that lead there, or declare the point: `checklist: { … }`.",
  );
  return { ...answer, status: "unknown", findings: [...answer.findings, gap] };
}

/** The author's word stands for what is not known, not against what is. */
function declared(answer: Answer, why: string): Answer {
  const errors = answer.findings.filter(({ severity }) => severity === "error");
  if (errors.length > 0) return { ...answer, findings: errors };
  return { ...answer, status: "declared", evidence: [why, ...answer.evidence], findings: [] };
}
