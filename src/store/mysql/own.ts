// Scripts that run inside a transaction of the user's, through whatever client he has and at whatever isolation: `?` as
// placeholders, texts for columns of bytes as bytes, json as text; clients answer with texts, bytes or numbers.
import { InvariantError } from "../../core/errors.ts";
import type { JournalRow } from "../../core/journal.ts";
import type { Script } from "../../core/script.ts";
import type { Lease, OwnTransactions, WriteOutcome } from "../../core/store.ts";
import { admits } from "../server/fence.ts";
import { findTableSql, identitySql } from "./migrate.ts";
import { readers } from "./rows.ts";
import { startScript } from "./starts.ts";
import { bytesOf, bytesOfNullable, idBytes, intOrNull, text } from "./values.ts";

export function ownTransactions(identity: () => string | undefined): OwnTransactions {
  return {
    dialect: "mysql",
    get identity() {
      const known = identity();
      if (known === undefined)
        throw new InvariantError("Expected the store to be open before its identity is asked for");
      return known;
    },
    identityScript,
    recordScript,
    startScript: (execution) => startScript(execution, false),
  };
}

/**
 * `store id/database`: a copy of the tables in another database of the server is another one. Asks the catalog first: a
 * statement about tables that are absent would fail.
 */
function* identityScript(): Script<string | null> {
  const [visible] = yield { sql: findTableSql, parameters: [] };
  if (visible === undefined) return null;
  const [row] = yield { sql: identitySql, parameters: [] };
  return row === undefined ? null : text(row.identity);
}

/**
 * Locks the guard row and waits for it: a locking read sees the newest row at every isolation. The journal is asked on the
 * way, without a lock, so that nobody is made to wait for a gap; a row that this does not see, of a snapshot that is older,
 * makes the insert fail, and the transaction with it.
 */
const guardSql = `
SELECT e.token, e.status, e.phase, e.cancel, e.inbox,
       (SELECT r.token FROM makegood_journal r WHERE r.execution_id = e.id AND r.step = ? AND r.role = ?) AS written_by
  FROM makegood_execution e WHERE e.id = ?
   FOR UPDATE`;

const insertSql = `
INSERT INTO makegood_journal (execution_id, step, role, kind, seq, started, attempt, state, body, at, token, actor)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`;

/**
 * A row that is there is never `done`: the effect would be committed twice. If it is mine, an earlier commit of this step
 * landed unnoticed: `lost` drops the execution, the sweep finds it, and its new owner replays the row.
 */
function* recordScript(lease: Lease, direction: "forward" | "back", row: JournalRow): Script<WriteOutcome["kind"]> {
  const id = idBytes(lease.executionId);
  const step = bytesOf(row.step);
  const [found] = yield { sql: guardSql, parameters: [step, row.role, id] };
  const guard = found && readers.guard(found);
  if (guard === undefined || guard.token !== lease.token || guard.status !== "running") return "lost";
  if (!admits({ lease, direction }, guard)) return "refused";
  const writtenBy = intOrNull(found?.written_by);
  if (writtenBy === null) {
    yield {
      sql: insertSql,
      parameters: [
        ...[id, step, row.role, row.kind, row.seq, row.started, row.attempt, row.state],
        ...[row.body, row.at, lease.token, bytesOfNullable(row.actor)],
      ],
    };
    return "done";
  }
  if (writtenBy === lease.token) return "lost";
  throw new InvariantError("Expected no journal row of another owner for a step of mine, found one", {
    executionId: lease.executionId,
    step: row.step,
  });
}
