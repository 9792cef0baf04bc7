// What runs inside a transaction of the user's, on the user's connection to the engine's own file.
import { StoreUnavailableError } from "../../core/errors.ts";
import type { JournalRow } from "../../core/journal.ts";
import type { Script } from "../../core/script.ts";
import type { OwnTransactions, WriteOutcome } from "../../core/store.ts";
import type { Values } from "./connection.ts";
import { idFromBytes, idToBytes } from "./id-bytes.ts";
import type { Moment } from "./moment.ts";
import type { Owner } from "./records.ts";
import { startScript } from "./starts.ts";

export function ownTransactions(identity: () => string | null, moment: () => Moment): OwnTransactions {
  return {
    dialect: "sqlite",
    get identity() {
      const found = identity();
      if (found === null)
        throw new StoreUnavailableError("The store's identity is known once it is open: open it first", {});
      return found;
    },
    identityScript: readIdentity,
    recordScript: record,
    // A generator's body runs when it is asked for its first statement, inside the transaction.
    *startScript(execution) {
      return yield* startScript(execution, null, moment());
    },
  };
}

const findTable = `
SELECT 1 AS found FROM main.sqlite_schema WHERE type = 'table' AND name = 'makegood_store'`;
// The file is part of the name: a copy of it has the same id, and is another database.
const selectIdentity = `
SELECT s.id, d.file FROM makegood_store AS s, pragma_database_list AS d WHERE d.name = 'main'`;

export function* readIdentity(): Script<string | null> {
  if ((yield { sql: findTable, parameters: [] }).length === 0) return null;
  const [row] = yield { sql: selectIdentity, parameters: [] };
  return row === undefined ? null : `sqlite:${idFromBytes(row["id"])}:${row["file"]}`;
}

// Served by both primary keys. Check and insert are one statement, so that the fence holds whatever kind of transaction the
// user began: a deferred one takes the write lock here, or fails if the row has changed since it first read. No row is written
// where the fence does not hold, nor where the record is there already.
const insertFencedBy = (fence: string): string => `
INSERT INTO makegood_journal (execution_id, step, role, kind, seq, started, attempt, state, body, at, token, actor)
SELECT id, ?, ?, ?, ?, ?, ?, ?, ?, ?, token, ?
  FROM makegood_execution
 WHERE id = ? AND token = ? AND status = 'running' AND ${fence}
    ON CONFLICT (execution_id, step, role) DO NOTHING
RETURNING 1 AS wrote`;
const insertFenced = { forward: insertFencedBy("phase <> 'back'"), back: insertFencedBy("phase = 'back'") } as const;

const fencedRow = ({ id, token }: Owner, row: JournalRow): Values => [
  row.step,
  row.role,
  row.kind,
  row.seq,
  row.started,
  row.attempt,
  row.state,
  row.body,
  row.at,
  row.actor,
  id,
  token,
];
const readOwner = `
SELECT token, status, EXISTS (SELECT 1 FROM makegood_journal WHERE execution_id = ? AND step = ? AND role = ?) AS found
  FROM makegood_execution WHERE id = ?`;

/**
 * Done only if it inserted the row now. A row that is there already came from a commit whose answer was lost: the effect has
 * happened, and what the user's transaction did since must not happen again; `lost`, so that the execution is replayed.
 */
function* record(
  lease: Parameters<OwnTransactions["recordScript"]>[0],
  direction: "forward" | "back",
  row: Parameters<OwnTransactions["recordScript"]>[2],
): Script<WriteOutcome["kind"]> {
  const id = idToBytes(lease.executionId);
  const wrote = yield { sql: insertFenced[direction], parameters: fencedRow({ id, token: lease.token }, row) };
  if (wrote.length === 1) return "done";
  const [guard] = yield { sql: readOwner, parameters: [id, row.step, row.role, id] };
  const isMine = guard !== undefined && Number(guard["token"]) === lease.token && guard["status"] === "running";
  return isMine && Number(guard["found"]) === 0 ? "refused" : "lost";
}
