// A script is a conversation with a database inside a transaction that someone else holds: it yields statements and is
// handed their rows. So one text serves the user's synchronous client and the asynchronous one, and both are tested once.

export interface Statement {
  readonly sql: string;
  readonly parameters: readonly unknown[];
  /** If it succeeds nothing follows but COMMIT, and its rows are not needed: a client may send both at once. */
  readonly isLast?: boolean;
  /** Of one that says something by an error: the rows that stand for it. Undefined: an error like any other. */
  readonly rowsOf?: (error: unknown) => readonly Row[] | undefined;
  /** The same without RETURNING, where the script only asks how many rows there are: for clients that count what they change. */
  readonly change?: string;
}
export type Row = Readonly<Record<string, unknown>>;
export type Script<T> = Generator<Statement, T, readonly Row[]>;

export async function runScript<T>(
  script: Script<T>,
  query: (statement: Statement) => PromiseLike<readonly Row[]> | readonly Row[],
): Promise<T> {
  for (let turn = script.next(); ; ) {
    if (turn.done) return turn.value;
    turn = script.next(await answerOf(turn.value, query));
  }
}

/** For clients of servers; on SQLite no statement says anything by an error. */
export function answerOf(
  statement: Statement,
  query: (statement: Statement) => PromiseLike<readonly Row[]> | readonly Row[],
): PromiseLike<readonly Row[]> | readonly Row[] {
  const { rowsOf } = statement;
  return rowsOf === undefined ? query(statement) : answerInstead(rowsOf, () => query(statement));
}

async function answerInstead(
  rowsOf: NonNullable<Statement["rowsOf"]>,
  query: () => PromiseLike<readonly Row[]> | readonly Row[],
): Promise<readonly Row[]> {
  try {
    return await query();
  } catch (error) {
    const rows = rowsOf(error);
    if (rows === undefined) throw error;
    return rows;
  }
}

export function runScriptSync<T>(script: Script<T>, query: (statement: Statement) => readonly Row[]): T {
  for (let turn = script.next(); ; ) {
    if (turn.done) return turn.value;
    turn = script.next(query(turn.value));
  }
}
