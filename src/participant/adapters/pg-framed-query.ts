// A statement with BEGIN before it, COMMIT behind it, or both, in one message to the server and up to one Sync: as drivers do
// that begin lazily. The server skips what follows an error up to the Sync, so a statement whose BEGIN failed is not run, and
// a statement that failed is not committed.
import type { Connection, PoolClient, Query, QueryConfig, QueryResult } from "pg";

export const begin = "BEGIN ISOLATION LEVEL READ COMMITTED";

export interface Frame {
  readonly opens: boolean;
  readonly closes: boolean;
}

/** How far the server has come with it, by its answers. */
export interface Progress {
  /** Whether it was sent at all. */
  readonly isSent: boolean;
  readonly isBegun: boolean;
  /** Whether the statement itself has succeeded: what fails after that is COMMIT. */
  readonly isAnswered: boolean;
  /** What the server says it did at COMMIT: "COMMIT" or "ROLLBACK". */
  readonly ending: string | undefined;
}

/** A query of pg's own, for `client.query`. */
export interface FramedQuery extends Query, Progress {
  /** Under which it is prepared. */
  name: string | undefined;
}

export type QueryCallback = (error: Error | null, result: QueryResult) => void;
/** `values` beside a text; a config has them within. */
export type FramedQueryClass = new (
  statement: string | QueryConfig,
  values: readonly unknown[] | undefined,
  callback: QueryCallback,
  frame: Frame,
) => FramedQuery;

/** What pg's Query has beside its types. */
interface QueryParts {
  name: string | undefined;
  submit(connection: Connection): Error | null;
  handleCommandComplete(message: { readonly text: string }, connection: Connection): void;
  handleError(error: Error, connection: Connection): void;
}
type QueryClass = new (
  statement: string | QueryConfig,
  values: readonly unknown[] | undefined,
  callback: QueryCallback,
) => QueryParts;

/** What pg's connection has beside its types. */
interface ConnectionParts {
  readonly stream: { cork(): void; uncork(): void };
  readonly submittedNamedStatements?: Record<string, string>;
  parse(statement: { readonly text: string; readonly name: string }): void;
  bind(portal: { readonly portal: string; readonly statement: string; readonly values: readonly unknown[] }): void;
  execute(portal: { readonly portal: string; readonly rows: number }): void;
  sync(): void;
}
const partsOf = (connection: Connection): ConnectionParts => connection as unknown as ConnectionParts;

const classes = new WeakMap<QueryClass, FramedQueryClass>();

/** Undefined where the client is not pg's own in JavaScript, but pg-native or something alike. */
export function framedQueryOf(client: PoolClient): FramedQueryClass | undefined {
  const { connection } = client as unknown as { readonly connection?: Partial<ConnectionParts> };
  const { Query: base } = client.constructor as { readonly Query?: QueryClass };
  if (base === undefined || typeof connection?.execute !== "function") return undefined;
  let framed = classes.get(base);
  if (framed === undefined) {
    framed = framing(base) as unknown as FramedQueryClass;
    classes.set(base, framed);
  }
  return framed;
}

function framing(base: QueryClass) {
  return class extends base implements Progress {
    isSent = false;
    isBegun: boolean;
    isAnswered = false;
    ending: string | undefined;
    readonly #frame: Frame;
    #name: string | undefined;

    constructor(
      statement: string | QueryConfig,
      values: readonly unknown[] | undefined,
      callback: QueryCallback,
      frame: Frame,
    ) {
      super(statement, values, callback);
      this.#frame = frame;
      this.isBegun = !frame.opens;
    }

    override submit(connection: Connection): Error | null {
      const { opens, closes } = this.#frame;
      const { stream } = partsOf(connection);
      this.isSent = true;
      stream.cork();
      try {
        if (opens) run(connection, begin);
        const refused = closes ? this.#submitAndCommit(connection) : super.submit(connection);
        if (opens) this.#hideName();
        return refused;
      } finally {
        stream.uncork();
      }
    }

    #submitAndCommit(connection: Connection): Error | null {
      let isExecuted = false;
      const execute = (portal: never): void => {
        isExecuted = true;
        partsOf(connection).execute(portal);
      };
      const unsynced = { execute: { value: execute }, sync: { value: () => undefined } };
      const refused = super.submit(Object.create(connection, unsynced));
      if (isExecuted) run(connection, "COMMIT");
      partsOf(connection).sync();
      return refused;
    }

    /** The client takes the first ParseComplete, which is that of BEGIN, for one of the name that it finds here. */
    #hideName(): void {
      this.#name = this.name;
      this.name = undefined;
    }

    override handleCommandComplete(message: { readonly text: string }, connection: Connection): void {
      if (!this.isBegun) {
        this.isBegun = true;
        this.name = this.#name;
      } else if (!this.isAnswered) {
        this.isAnswered = true;
        super.handleCommandComplete(message, connection);
      } else this.ending = message.text;
    }

    override handleError(error: Error, connection: Connection): void {
      if (!this.isBegun && this.#name !== undefined) delete partsOf(connection).submittedNamedStatements?.[this.#name];
      super.handleError(error, connection);
    }
  };
}

function run(connection: Connection, text: string): void {
  const to = partsOf(connection);
  to.parse({ text, name: "" });
  to.bind({ portal: "", statement: "", values: [] });
  to.execute({ portal: "", rows: 0 });
}
