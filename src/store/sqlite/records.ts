// The journal's rows as writes leave them: one per settled step and role, inserted once.
import { InvariantError } from "../../core/errors.ts";
import type { JournalRow, Role } from "../../core/journal.ts";
import type { Sql } from "./connection.ts";

/** Of whom a record is: the execution, under the token of its guard row. */
export interface Owner {
  readonly id: Uint8Array;
  readonly token: number;
}

// Served by the primary key. A row that is there already is the same one, sent again, if it bears the writer's token.
const insertRow = `
INSERT INTO makegood_journal (execution_id, step, role, kind, seq, started, attempt, state, body, at, token, actor)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
    ON CONFLICT (execution_id, step, role) DO NOTHING`;
const readToken = `
SELECT token FROM makegood_journal WHERE execution_id = ? AND step = ? AND role = ?`;

/** Where the fence holds already. */
export function insertRecord(sql: Sql, { id, token }: Owner, row: JournalRow): void {
  const count = sql.run(insertRow, [
    id,
    row.step,
    row.role,
    row.kind,
    row.seq,
    row.started,
    row.attempt,
    row.state,
    row.body,
    row.at,
    token,
    row.actor,
  ]);
  if (count === 0) hasRecord(sql, { id, token }, row.step, row.role);
}

/** Whether the row is there under the token of the guard row. One of another owner's answers nobody (ENGINE-PROTOCOL §2). */
export function hasRecord(sql: Sql, { id, token }: Owner, step: string, role: Role): boolean {
  const [found] = sql.tuple(readToken, [id, step, role]) ?? [];
  if (found !== undefined && found !== token)
    throw new InvariantError(
      `Expected no journal row for ${role} of "${step}" by another owner, since the journal is loaded after the claim; found one under token ${found}`,
      { step, role, token, found },
    );
  return found !== undefined;
}
