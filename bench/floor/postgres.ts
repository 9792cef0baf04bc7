// The floor on PostgreSQL: each flush is one prepared statement, so one round trip and one commit; two are in flight.
import pg from "pg";
import type { Contender, Place } from "../contender.ts";
import { onPostgres, txWork } from "../tx-work.ts";
import { type Batch, type FloorStore, floorOn } from "./floor.ts";

const tables = `
CREATE TABLE flow (id uuid PRIMARY KEY, status text NOT NULL DEFAULT 'running');
CREATE TABLE step (flow uuid NOT NULL, name text NOT NULL, body text NOT NULL, PRIMARY KEY (flow, name));
CREATE TABLE job (id uuid PRIMARY KEY, is_claimed boolean NOT NULL);
CREATE INDEX job_ready ON job (id) WHERE NOT is_claimed;
${txWork.table}`;

const flushSql = `
WITH started AS (INSERT INTO flow (id) SELECT unnest($1::uuid[])),
  stepped AS (INSERT INTO step (flow, name, body) SELECT * FROM unnest($2::uuid[], $3::text[], $4::text[])),
  ended AS (UPDATE flow SET status = 'ended' FROM unnest($5::uuid[]) AS it (id) WHERE flow.id = it.id),
  enqueued AS (INSERT INTO job (id, is_claimed) SELECT * FROM unnest($6::uuid[], $7::boolean[])),
  finished AS (DELETE FROM job USING unnest($8::uuid[]) AS it (id) WHERE job.id = it.id)
SELECT 1`;

const claimSql = `
WITH next AS (SELECT id FROM job WHERE NOT is_claimed ORDER BY id LIMIT $1 FOR UPDATE SKIP LOCKED)
UPDATE job SET is_claimed = true FROM next WHERE job.id = next.id RETURNING job.id`;

const endSql =
  "WITH stepped AS (INSERT INTO step (flow, name, body) VALUES ($1, $2, '1')) UPDATE flow SET status = 'ended' WHERE id = $1";
const stepSql = "INSERT INTO step (flow, name, body) VALUES ($1, $2, '1')";

const counts = {
  ended: "SELECT count(*) FROM flow WHERE status = 'ended'",
  jobs: "SELECT count(*) FROM job",
  "paid orders": txWork.paidCount,
} as const;

const userStatements = txWork.steps.map(onPostgres);
const lanes = 2;

async function open({ url }: Place): Promise<FloorStore> {
  const pool = new pg.Pool({ connectionString: url, max: txWork.connections });
  await pool.query(tables);
  const connect = async (): Promise<pg.Client> => {
    const client = new pg.Client({ connectionString: url });
    await client.connect();
    // Plans are made while the tables are empty: without this they would scan them whole when they no longer are.
    await client.query("SET jit = off; SET enable_seqscan = off; SET plan_cache_mode = force_generic_plan");
    return client;
  };
  const [claimer, ...free] = await Promise.all(Array.from({ length: lanes + 1 }, connect));
  const all = [claimer, ...free];
  return {
    lanes,
    async flush(batch) {
      const lane = free.pop();
      await lane?.query({ name: "flush", text: flushSql, values: valuesOf(batch) });
      if (lane !== undefined) free.push(lane);
    },
    async claim(limit) {
      const found = await claimer?.query<{ id: string }>({ name: "claim", text: claimSql, values: [limit] });
      return (found?.rows ?? []).map(({ id }) => id);
    },
    async tx(id, step, isLast) {
      const client = await pool.connect();
      await client.query("BEGIN");
      await client.query({ name: `user ${step}`, text: userStatements[step] ?? "", values: [id] });
      const record = isLast ? { name: "end", text: endSql } : { name: "step", text: stepSql };
      await client.query({ ...record, values: [id, `step ${step}`] });
      await client.query("COMMIT");
      client.release();
    },
    count: async (what) => Number((await pool.query<{ count: string }>(counts[what])).rows[0]?.count),
    async close() {
      await Promise.all([pool.end(), ...all.map((client) => client?.end())]);
    },
  };
}

function valuesOf({ starts, steps, ends, jobs, doneJobs }: Batch): unknown[] {
  const stepColumns = [steps.map(({ id }) => id), steps.map(({ name }) => name), steps.map(({ body }) => body)];
  return [starts, ...stepColumns, ends, jobs.map(({ id }) => id), jobs.map(({ isClaimed }) => isClaimed), doneJobs];
}

export const contenders: readonly Contender[] = [
  floorOn("postgres", `${lanes} flushes in flight; no fence, lease or replay: not a product`, () => ({}), open),
];
