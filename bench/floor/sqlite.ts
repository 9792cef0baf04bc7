// The floor on node:sqlite: each flush is one transaction, on the main thread.
import { DatabaseSync } from "node:sqlite";
import type { Contender, Place } from "../contender.ts";
import { txWork } from "../tx-work.ts";
import { type FloorStore, floorOn } from "./floor.ts";

const tables = `
PRAGMA journal_mode = WAL;
PRAGMA synchronous = FULL;
CREATE TABLE flow (id TEXT PRIMARY KEY, status TEXT NOT NULL DEFAULT 'running') STRICT, WITHOUT ROWID;
CREATE TABLE step (flow TEXT, name TEXT, body TEXT NOT NULL, PRIMARY KEY (flow, name)) STRICT, WITHOUT ROWID;
CREATE TABLE job (id TEXT PRIMARY KEY, is_claimed INTEGER NOT NULL) STRICT, WITHOUT ROWID;
CREATE INDEX job_ready ON job (id) WHERE is_claimed = 0;
${txWork.table};`;

const counts = {
  ended: "SELECT count(*) AS count FROM flow WHERE status = 'ended'",
  jobs: "SELECT count(*) AS count FROM job",
  "paid orders": txWork.paidCount,
} as const;

async function open({ url }: Place): Promise<FloorStore> {
  const db = new DatabaseSync(url);
  db.exec(tables);
  const start = db.prepare("INSERT INTO flow (id) VALUES (?)");
  const step = db.prepare("INSERT INTO step (flow, name, body) VALUES (?, ?, ?)");
  const end = db.prepare("UPDATE flow SET status = 'ended' WHERE id = ?");
  const enqueue = db.prepare("INSERT INTO job (id, is_claimed) VALUES (?, ?)");
  const finish = db.prepare("DELETE FROM job WHERE id = ?");
  const claim = db.prepare(
    "UPDATE job SET is_claimed = 1 WHERE id IN (SELECT id FROM job WHERE is_claimed = 0 ORDER BY id LIMIT ?) RETURNING id",
  );
  const userStatements = txWork.steps.map((sql) => db.prepare(sql));
  const [begin, commit] = [db.prepare("BEGIN IMMEDIATE"), db.prepare("COMMIT")];
  const committed = <T>(work: () => T): T => {
    begin.run();
    const value = work();
    commit.run();
    return value;
  };
  return {
    lanes: 1,
    async flush({ starts, steps, ends, jobs, doneJobs }) {
      committed(() => {
        for (const id of starts) start.run(id);
        for (const { id, name, body } of steps) step.run(id, name, body);
        for (const id of ends) end.run(id);
        for (const { id, isClaimed } of jobs) enqueue.run(id, isClaimed ? 1 : 0);
        for (const id of doneJobs) finish.run(id);
      });
    },
    claim: async (limit) => committed(() => claim.all(limit)).map(({ id }) => String(id)),
    async tx(id, at, isLast) {
      committed(() => {
        userStatements[at]?.run(id);
        step.run(id, `step ${at}`, "1");
        if (isLast) end.run(id);
      });
    },
    count: async (what) => Number(db.prepare(counts[what]).get()?.["count"]),
    close: async () => db.close(),
  };
}

export const contenders: readonly Contender[] = [
  floorOn("sqlite", "main thread; no fence, lease or replay: not a product", () => ({}), open),
];
