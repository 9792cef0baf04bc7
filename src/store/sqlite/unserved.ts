import type { JobRef } from "../../core/store.ts";
import type { Sql } from "./connection.ts";

/** Each (job, version) that has ready work is visited once, by a seek; only the unserved ones are counted. */
export function unservedJobs(
  sql: Sql,
  namespace: string,
  olderThanMs: number,
  now: number,
): readonly (JobRef & { readonly count: number })[] {
  const served = servedJobs(sql, namespace, now);
  const unserved: (JobRef & { readonly count: number })[] = [];
  for (let at = nextReady(sql, namespace, "", 0); at !== null; at = nextReady(sql, namespace, at.job, at.version)) {
    if (served.has(nameOf(at.job, at.version))) continue;
    const count = Number(sql.tuple(countOld, [namespace, at.job, at.version, now - olderThanMs])?.[0] ?? 0);
    if (count > 0) unserved.push({ ...at, count });
  }
  return unserved;
}

// Served by worker_name.
const selectJobs = `
SELECT jobs FROM makegood_worker WHERE namespace = ? AND lease_until > ?`;

function servedJobs(sql: Sql, namespace: string, now: number): ReadonlySet<string> {
  const served = new Set<string>();
  for (const { jobs } of sql.rows(selectJobs, [namespace, now]))
    for (const [job, version] of JSON.parse(jobs as string) as readonly (readonly [string, number])[])
      served.add(nameOf(job, version));
  return served;
}

// Both are served by execution_ready.
const selectNext = `
SELECT job, version
  FROM makegood_execution
 WHERE namespace = ? AND status = 'ready' AND (job, version) > (?, ?)
 ORDER BY job, version
 LIMIT 1`;
const countOld = `
SELECT count(*) FROM makegood_execution
 WHERE namespace = ? AND job = ? AND version = ? AND status = 'ready' AND wake_at <= ?`;

function nextReady(sql: Sql, namespace: string, job: string, version: number): JobRef | null {
  const row = sql.tuple(selectNext, [namespace, job, version]);
  return row === undefined ? null : { job: row[0] as string, version: row[1] as number };
}

const nameOf = (job: string, version: number): string => `${version} ${job}`;
