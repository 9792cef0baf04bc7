// The executor's memory: one SQLite file with a row for each logId. It answers a repeated trigger, keeps results until an
// admin has acknowledged them, and knows after a crash what was queued and what was under way.
//
// Every write is committed to the disk before it is acknowledged (synchronous = FULL), and synchronous: what is decided
// between two of them in one turn of the event loop is decided alone. The file is locked for as long as it is open, so a
// second executor on the same folder is refused; the operating system frees the lock of a process that dies.
import { hash } from "node:crypto";
import { chmodSync, closeSync, mkdirSync, openSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync, type SQLInputValue, type StatementSync } from "node:sqlite";
import { CatalogError, InvariantError, StoreUnavailableError } from "../../core/errors.ts";
import { isHandlerType, type TriggerRequest } from "../../protocol/xxl-job/requests.ts";

export type RunState = "queued" | "running" | "done" | "refused";

export interface RunRow {
  readonly logId: number;
  readonly jobId: number;
  readonly logDateTime: number;
  readonly handler: string;
  /** In place of a handler: its type, and the digest under which its source is kept. */
  readonly script: { readonly type: string; readonly digest: string } | null;
  readonly param: string;
  readonly shardIndex: number;
  readonly shardTotal: number;
  readonly timeoutSeconds: number;
  /** It came by `/trigger`: its admin is of 3.5 or later. */
  readonly isNewest: boolean;
  readonly state: RunState;
  readonly acceptedAt: number;
  readonly begunAt: number | null;
  readonly executionId: string | null;
  /** Of a `done` or `refused` one. */
  readonly code: number | null;
  readonly message: string | null;
}

export interface NewRun {
  readonly trigger: TriggerRequest;
  readonly isNewest: boolean;
  readonly at: number;
}

const schemaVersion = 2;
/** Version 1: one row a run, about 300 bytes and its parameter. The partial indexes hold only what is unfinished or unsent. */
const schema = `
CREATE TABLE run (
  seq            INTEGER PRIMARY KEY AUTOINCREMENT,
  log_id         INTEGER NOT NULL UNIQUE,
  job_id         INTEGER NOT NULL,
  log_date_time  INTEGER NOT NULL,
  handler        TEXT NOT NULL,
  param          TEXT NOT NULL,
  shard_index    INTEGER NOT NULL,
  shard_total    INTEGER NOT NULL,
  timeout_s      INTEGER NOT NULL,
  is_newest      INTEGER NOT NULL,
  state          TEXT NOT NULL CHECK (state IN ('queued', 'running', 'done', 'refused')),
  accepted_at    INTEGER NOT NULL,
  begun_at       INTEGER,
  ended_at       INTEGER,
  execution_id   TEXT,
  code           INTEGER,
  message        TEXT,
  is_reported    INTEGER NOT NULL DEFAULT 0,
  CHECK ((state IN ('done', 'refused')) = (code IS NOT NULL))
) STRICT;
CREATE INDEX run_unfinished ON run (seq) WHERE state IN ('queued', 'running');
CREATE INDEX run_unreported ON run (seq) WHERE state = 'done' AND is_reported = 0;
CREATE INDEX run_ended ON run (ended_at) WHERE ended_at IS NOT NULL;
`;

/** Version 2: a script's source is kept once, for all of the runs that have it. */
const scriptSchema = `
CREATE TABLE script (digest TEXT PRIMARY KEY, source TEXT NOT NULL) STRICT;
ALTER TABLE run ADD COLUMN script_type TEXT;
ALTER TABLE run ADD COLUMN script_digest TEXT REFERENCES script (digest);
CREATE INDEX run_script ON run (script_digest) WHERE script_digest IS NOT NULL;
`;

const busy = 5;

export class Records {
  readonly path: string;
  readonly #database: DatabaseSync;
  readonly #statements = new Map<string, StatementSync>();

  /** Opens or creates the file. Throws STORE_UNAVAILABLE where it cannot be had, STORE_SCHEMA where it is newer than this code. */
  constructor(folder: string) {
    this.path = join(folder, "executor.db");
    try {
      mkdirSync(folder, { recursive: true });
      keepPrivate(this.path);
      this.#database = new DatabaseSync(this.path, { timeout: 1_000 });
    } catch (error) {
      throw this.#unavailable(error);
    }
    try {
      this.#prepareFile();
    } catch (error) {
      this.#database.close();
      throw error instanceof CatalogError ? error : this.#unavailable(error);
    }
  }

  #prepareFile(): void {
    this.#database.exec("PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = WAL");
    this.#database.exec("PRAGMA synchronous = FULL; PRAGMA fullfsync = ON");
    // The lock is taken by the first transaction that writes.
    this.#database.exec("BEGIN IMMEDIATE");
    const version = Number(this.#database.prepare("PRAGMA user_version").get()?.["user_version"]);
    if (version > schemaVersion)
      throw new CatalogError(
        "STORE_SCHEMA",
        `${this.path}: expected version ${schemaVersion}, found ${version}: a newer makegood wrote it. Deploy that one, or name another folder`,
        { path: this.path, version },
      );
    if (version === 0) this.#database.exec(schema);
    if (version < 2) this.#database.exec(`${scriptSchema}; PRAGMA user_version = ${schemaVersion}`);
    this.#database.exec("COMMIT");
  }

  #unavailable(error: unknown): StoreUnavailableError {
    const isLocked = ((error as { errcode?: number } | null)?.errcode ?? 0) % 256 === busy;
    const why = isLocked ? "another executor has it open. Give each a folder of its own" : "see the cause";
    return new StoreUnavailableError(
      `Expected the executor's folder with ${this.path} to be usable, found that it is not: ${why}`,
      { path: this.path },
      { cause: error },
    );
  }

  close(): void {
    this.#statements.clear();
    this.#database.close();
  }

  find(logId: number): RunRow | undefined {
    return rowOf(this.#prepared("SELECT * FROM run WHERE log_id = ?").get(logId));
  }

  /** In the order in which they were accepted. */
  unfinished(): readonly RunRow[] {
    const rows = this.#prepared("SELECT * FROM run WHERE state IN ('queued', 'running') ORDER BY seq").all();
    return rows.map((row) => rowOf(row) as RunRow);
  }

  /** Ended, and not acknowledged by an admin; oldest first. */
  unreported(limit: number): readonly RunRow[] {
    const sql = "SELECT * FROM run WHERE state = 'done' AND is_reported = 0 ORDER BY seq LIMIT ?";
    return this.#prepared(sql)
      .all(limit)
      .map((row) => rowOf(row) as RunRow);
  }

  /** Returns the row as it stands. */
  insert(run: NewRun, as: "queued" | "running"): RunRow {
    this.#insert(run, as, { begunAt: as === "running" ? run.at : null, endedAt: null, code: null, message: null });
    return this.find(run.trigger.logId) as RunRow;
  }

  /** A refusal is kept too, so that a repeated trigger is answered alike. Nothing is reported of it: the answer said it. */
  insertRefused(run: NewRun, code: number, message: string): void {
    this.#insert(run, "refused", { begunAt: null, endedAt: run.at, code, message });
  }

  #insert(
    run: NewRun,
    state: RunState,
    end: {
      readonly begunAt: number | null;
      readonly endedAt: number | null;
      readonly code: number | null;
      readonly message: string | null;
    },
  ): void {
    const { trigger, isNewest, at } = run;
    const script = scriptOf(trigger);
    const insertRun = (): unknown =>
      this.#run(
        `INSERT INTO run (log_id, job_id, log_date_time, handler, param, shard_index, shard_total, timeout_s, is_newest,
        state, accepted_at, begun_at, ended_at, code, message, script_type, script_digest)
       VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
        trigger.logId,
        trigger.jobId,
        trigger.logDateTime,
        trigger.handler,
        trigger.param,
        trigger.shardIndex,
        trigger.shardTotal,
        trigger.timeoutSeconds,
        isNewest ? 1 : 0,
        state,
        at,
        end.begunAt,
        end.endedAt,
        end.code,
        end.message,
        script?.type ?? null,
        script?.digest ?? null,
      );
    if (script === null) insertRun();
    else
      this.#transact(() => {
        this.#run("INSERT OR IGNORE INTO script (digest, source) VALUES (?, ?)", script.digest, trigger.glueSource);
        insertRun();
      });
  }

  /** Of a run's script. */
  sourceOf(digest: string): string {
    const row = this.#prepared("SELECT source FROM script WHERE digest = ?").get(digest);
    if (row === undefined) throw new InvariantError("expected the script of a run to be kept", { digest });
    return String(row["source"]);
  }

  begin(logId: number, at: number): void {
    this.#run("UPDATE run SET state = 'running', begun_at = ? WHERE log_id = ? AND state = 'queued'", at, logId);
  }

  bind(logId: number, executionId: string): void {
    this.#run("UPDATE run SET execution_id = ? WHERE log_id = ? AND state = 'running'", executionId, logId);
  }

  /** The first end stands. */
  finish(logId: number, code: number, message: string, at: number): void {
    this.#run(
      `UPDATE run SET state = 'done', code = ?, message = ?, ended_at = ?
       WHERE log_id = ? AND state IN ('queued', 'running')`,
      code,
      message,
      at,
      logId,
    );
  }

  markReported(logIds: readonly number[]): void {
    this.#transact(() => {
      for (const logId of logIds)
        this.#run("UPDATE run SET is_reported = 1 WHERE log_id = ? AND state = 'done'", logId);
    });
  }

  /** Makes room for another run of this logId, from another database of an admin. */
  delete(logId: number): void {
    this.#run("DELETE FROM run WHERE log_id = ?", logId);
  }

  /** Deletes up to `limit` ended ones that nobody waits for any more; returns how many. What is unreported stays. */
  prune(endedBefore: number, limit: number): number {
    const count = this.#run(
      `DELETE FROM run WHERE seq IN (SELECT seq FROM run
        WHERE ended_at < ? AND (state = 'refused' OR is_reported = 1) ORDER BY ended_at LIMIT ?)`,
      endedBefore,
      limit,
    );
    if (count > 0)
      this.#run("DELETE FROM script WHERE NOT EXISTS (SELECT 1 FROM run WHERE run.script_digest = script.digest)");
    return count;
  }

  #transact(work: () => void): void {
    this.#database.exec("BEGIN IMMEDIATE");
    try {
      work();
      this.#database.exec("COMMIT");
    } catch (error) {
      if (this.#database.isTransaction) this.#database.exec("ROLLBACK");
      throw error;
    }
  }

  #run(sql: string, ...values: readonly SQLInputValue[]): number {
    return Number(this.#prepared(sql).run(...values).changes);
  }

  #prepared(sql: string): StatementSync {
    let statement = this.#statements.get(sql);
    if (statement === undefined) {
      statement = this.#database.prepare(sql);
      this.#statements.set(sql, statement);
    }
    return statement;
  }
}

/** It holds parameters and scripts. SQLite gives the files beside it the same mode. */
function keepPrivate(path: string): void {
  closeSync(openSync(path, "a", 0o600));
  chmodSync(path, 0o600);
}

/** What a trigger asks to run in place of a handler. */
export const scriptOf = ({ glueType, glueSource }: TriggerRequest): RunRow["script"] =>
  isHandlerType(glueType) ? null : { type: glueType, digest: hash("sha256", glueSource) };

type Columns = Readonly<Record<string, unknown>>;

function rowOf(row: Columns | undefined): RunRow | undefined {
  if (row === undefined) return undefined;
  return {
    logId: Number(row["log_id"]),
    jobId: Number(row["job_id"]),
    logDateTime: Number(row["log_date_time"]),
    handler: String(row["handler"]),
    script: rowScript(row),
    param: String(row["param"]),
    shardIndex: Number(row["shard_index"]),
    shardTotal: Number(row["shard_total"]),
    timeoutSeconds: Number(row["timeout_s"]),
    isNewest: row["is_newest"] === 1,
    state: row["state"] as RunState,
    acceptedAt: Number(row["accepted_at"]),
    begunAt: numberOrNull(row["begun_at"]),
    executionId: textOrNull(row["execution_id"]),
    code: numberOrNull(row["code"]),
    message: textOrNull(row["message"]),
  };
}

function rowScript(row: Columns): RunRow["script"] {
  const { script_type: type, script_digest: digest } = row;
  return type === null || type === undefined ? null : { type: String(type), digest: String(digest) };
}

const numberOrNull = (value: unknown): number | null => (value === null ? null : Number(value));
const textOrNull = (value: unknown): string | null => (value === null ? null : String(value));
