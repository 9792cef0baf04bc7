import type { ChecklistReport, Finding, JobReport, PointReport } from "../../index.ts";

const marks = { ok: "✓", warning: "!", error: "✗" } as const;

/** For people: one line a point, below it what is wrong and what to do. */
export function describeReport(report: ChecklistReport): string {
  const jobs = report.jobs.map(describeJob).join("\n\n");
  const count = (severity: Finding["severity"]): number =>
    report.jobs.flatMap(findingsOf).filter((finding) => finding.severity === severity).length;
  const counts = [counted(count("error"), "error"), counted(count("warning"), "warning")].join(", ");
  return `${jobs}\n\n${counted(report.jobs.length, "job")}: ${counts}`;
}

const counted = (count: number, what: string): string => `${count} ${what}${count === 1 ? "" : "s"}`;

const findingsOf = ({ points, level }: JobReport): readonly Finding[] => [
  ...points.flatMap(({ findings }) => findings),
  ...level.findings,
];

function describeJob({ job, version, points, level, steps }: JobReport): string {
  const declared = level.declared === null ? "" : `, declared ${level.declared}`;
  return [
    `${job}, version ${version}: ${steps.length === 0 ? "no steps seen" : steps.join(" · ")}`,
    ...points.flatMap(describePoint),
    ...gapsOf(points),
    `  ${marks[level.findings.some(({ severity }) => severity === "error") ? "error" : level.found === "unknown" ? "warning" : "ok"]} ${"level".padEnd(16)} ${level.found}${declared}: ${level.why}`,
    ...level.findings.flatMap(describeFinding),
  ].join("\n");
}

function describePoint({ point, status, severity, evidence, findings, docs }: PointReport): readonly string[] {
  const line = `  ${marks[severity]} ${`${point}?`.padEnd(16)} ${status.padEnd(8)} ${evidence.join("; ")}`.trimEnd();
  const own = findings.filter((finding) => !isGap(finding));
  return [line, ...own.flatMap(describeFinding), ...(own.length > 0 ? [`      see ${docs}`] : [])];
}

const isGap = ({ code }: Finding): boolean => code === "NOT_SEEN_WHOLE";

/** The same for each point that it leaves unknown: told once. */
function gapsOf(points: readonly PointReport[]): readonly string[] {
  const gap = points.flatMap(({ findings }) => findings).find(isGap);
  return gap === undefined ? [] : describeFinding(gap);
}

const describeFinding = ({ code, severity, message, whatToDo }: Finding): readonly string[] => [
  `      ${severity} ${code}: ${message}`,
  `      → ${whatToDo}`,
];
