// Scripts that run inside a transaction of the user's, through whatever client he has: $n placeholders with casts, no arrays,
// json as text; clients answer with texts or numbers.
import { chainOf, propertyOf } from "../../core/error-chain.ts";
import { InvariantError } from "../../core/errors.ts";
import type { JournalRow } from "../../core/journal.ts";
import type { Row, Script } from "../../core/script.ts";
import type { Lease, OwnTransactions, WriteOutcome } from "../../core/store.ts";
import { refusalPrefix } from "./migrations/0005-seal-own.ts";
import { startScript } from "./starts.ts";
import { text, textOrNull } from "./values.ts";

export function ownTransactions(identity: () => string | undefined): OwnTransactions {
  return {
    dialect: "postgres",
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

/** `store id/database`: a copy of the tables in another database of the server is another one. */
export const identitySql = `SELECT m.store_id::text || '/' || current_database() AS identity FROM makegood.meta m`;

/** Asks the catalog first: a statement about tables that are absent, or closed to this user, would end his transaction. */
function* identityScript(): Script<string | null> {
  const [visible] = yield {
    sql: `
      SELECT 1 AS found
        FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
       WHERE n.nspname = 'makegood' AND c.relname = 'meta'
         AND has_schema_privilege(n.oid, 'USAGE') AND has_table_privilege(c.oid, 'SELECT')`,
    parameters: [],
  };
  if (visible === undefined) return null;
  const [row] = yield { sql: identitySql, parameters: [] };
  return row === undefined ? null : text(row.identity);
}

/** A process frozen before its COMMIT would hold the guard row, and so block its own rescue. A limit of the session's stays. */
const maxIdleMs = 15_000;

/**
 * A row that is there is never `done`: the effect would be committed twice. If it is mine, an earlier commit of this step
 * landed unnoticed: `lost` drops the execution, the sweep finds it, and its new owner replays the row.
 */
const sealSql = `
SELECT makegood.seal_own($1::uuid, $2::text, $3::text, $4::text, $5::integer, $6::integer, $7::integer, $8::text, $9::bytea,
  $10::bigint, $11::integer, $12::text, $13::boolean, $14::text)`;

function* recordScript(lease: Lease, direction: "forward" | "back", row: JournalRow): Script<WriteOutcome["kind"]> {
  const { step, role, kind, seq, started, attempt, state, body, at, actor } = row;
  const given = [step, role, kind, seq, started, attempt, state, body, at, lease.token, actor, direction === "back"];
  const parameters = [lease.executionId, ...given, `${maxIdleMs}`];
  const [found] = yield { sql: sealSql, parameters, isLast: true, rowsOf: refusalOf };
  const refusal = textOrNull<Refusal>(found?.refusal);
  if (refusal !== "foreign") return refusal ?? "done";
  throw new InvariantError("Expected no journal row of another owner for a step of mine, found one", {
    executionId: lease.executionId,
    step,
  });
}

const refusals = ["lost", "refused", "foreign"] as const;
type Refusal = (typeof refusals)[number];

/** Clients wrap the server's error, and each keeps its message somewhere within its own. */
function refusalOf(error: unknown): readonly Row[] | undefined {
  const messages = chainOf(error).map((at) => String(propertyOf(at, "message")));
  const refusal = refusals.find((word) => messages.some((message) => message.includes(refusalPrefix + word)));
  return refusal && [{ refusal }];
}
