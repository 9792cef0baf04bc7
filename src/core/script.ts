// A script is a conversation with a database inside a transaction that someone else holds: it yields statements and is
// handed their rows, or their error. So one text serves the user's synchronous client and the asynchronous one, and both are tested once.

export interface Statement {
  readonly sql: string;
  readonly parameters: readonly unknown[];
  /** If it succeeds nothing follows but COMMIT, and its rows are not needed: a client may send both at once. */
  readonly isLast?: boolean;
}
export type Row = Readonly<Record<string, unknown>>;
export type Script<T> = Generator<Statement, T, readonly Row[]>;

export async function runScript<T>(
  script: Script<T>,
  query: (statement: Statement) => PromiseLike<readonly Row[]> | readonly Row[],
): Promise<T> {
  for (let turn = script.next(); ; ) {
    if (turn.done) return turn.value;
    let rows: readonly Row[];
    try {
      rows = await query(turn.value);
    } catch (error) {
      turn = script.throw(error);
      continue;
    }
    turn = script.next(rows);
  }
}

export function runScriptSync<T>(script: Script<T>, query: (statement: Statement) => readonly Row[]): T {
  for (let turn = script.next(); ; ) {
    if (turn.done) return turn.value;
    let rows: readonly Row[];
    try {
      rows = query(turn.value);
    } catch (error) {
      turn = script.throw(error);
      continue;
    }
    turn = script.next(rows);
  }
}
