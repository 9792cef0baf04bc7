// One transaction on a client of pg. BEGIN goes with the first statement where that can be, else before it; so a body that
// sends nothing costs the server nothing. COMMIT goes with the last statement where that is known to be the last.
import type { PoolClient, QueryConfig, QueryResult } from "pg";
import { propertyOf } from "../../core/error-chain.ts";
import type { Row } from "../../core/script.ts";
import { CommitRefusedError } from "./commit-refused.ts";
import { CommitUnknownError } from "./commit-unknown.ts";
import { type Life, lifeOf } from "./life.ts";
import { begin, type Frame, type FramedQuery, type FramedQueryClass, framedQueryOf } from "./pg-framed-query.ts";

export class PgTransaction implements Life {
  isOver = false;
  readonly #client: PoolClient;
  readonly #wasAlive: boolean;
  readonly #Framed: FramedQueryClass | undefined;
  /** BEGIN, or the statement that it went with. */
  #opening: { readonly isBegun: boolean } | undefined;
  /** Where BEGIN was sent by itself: all else waits for it. */
  #beginning: Promise<unknown> | undefined;
  /** The statement that COMMIT went with. */
  #closing: { readonly ending: string | undefined; readonly error?: unknown } | undefined;
  #isOpen = false;

  /** `wasAlive`: the server was heard of on this client a moment ago. */
  constructor(client: PoolClient, wasAlive: boolean) {
    this.#client = client;
    this.#wasAlive = wasAlive;
    this.#Framed = framedQueryOf(client);
  }

  /** Whether BEGIN was sent. */
  get isSent(): boolean {
    return this.#opening !== undefined;
  }

  /** Settles when nothing waits for BEGIN any more: what comes next comes behind all that the body has sent. */
  async allSent(): Promise<void> {
    await this.#beginning?.catch(() => undefined);
  }

  /**
   * BEGIN was sent and not answered, on a client that may have been dead before. Of one that was alive it is no proof: the
   * server answers to BEGIN and the first statement at once, so that one which lasts too long, or ends its session, looks
   * the same.
   */
  get isInVain(): boolean {
    return this.#opening?.isBegun === false && !this.#wasAlive;
  }

  /** Whether the client has been told that a transaction is open. */
  get isOpen(): boolean {
    return this.#isOpen;
  }

  /** `query` of the client, in any of its forms. */
  send(parameters: readonly unknown[]): unknown {
    if (!this.isSent) {
      const framed = framable(parameters);
      const Framed = this.#Framed;
      if (framed !== undefined && Framed !== undefined)
        return new Promise<QueryResult>((resolve, reject) => {
          this.#frame(Framed, framed, { opens: true, closes: false }, resolve, reject);
        }).catch(withStack);
      this.#begin();
    }
    const send = (): unknown => Reflect.apply(this.#client.query, this.#client, parameters);
    return this.#beginning === undefined ? send() : sendAfter(this.#beginning, parameters, send);
  }

  /**
   * A statement of ours. `isLast`: COMMIT may go with it, whose end `commit` tells; then no rows are given.
   *
   * Throws CommitUnknownError if the connection was lost with COMMIT under way.
   */
  query({ text, values, name }: OwnStatement, isLast: boolean): Promise<readonly Row[]> {
    const canFrame = this.#beginning === undefined && (values.length > 0 || (this.isSent && !isLast));
    const Framed = this.#Framed;
    if (Framed === undefined || !canFrame)
      return (this.send([{ text, values, name }]) as Promise<QueryResult<Row>>).then(({ rows }) => rows);
    const framed = { statement: text, values, name };
    if (isLast) return this.#close(Framed, framed);
    return new Promise((resolve, reject) => {
      this.#frame(Framed, framed, { opens: !this.isSent, closes: false }, ({ rows }) => resolve(rows as Row[]), reject);
    });
  }

  /** Throws CommitRefusedError, and what COMMIT was answered with. */
  async commit(): Promise<void> {
    if (!this.isSent) return;
    await this.#beginning;
    this.#closing ??= { ending: (await this.#client.query("COMMIT")).command };
    const { ending, error } = this.#closing;
    if (error !== undefined) throw error;
    if (ending !== "COMMIT") throw new CommitRefusedError();
  }

  #close(Framed: FramedQueryClass, framed: Framable): Promise<readonly Row[]> {
    return new Promise((resolve, reject) => {
      const close = (closing: { readonly ending: string | undefined; readonly error?: unknown }): void => {
        this.#closing = closing;
        resolve([]);
      };
      const fail = (error: Error): void => {
        if (query.ending !== undefined) close(query);
        else if (query.isAnswered) close({ ending: undefined, error });
        else reject(query.isSent && !isOfServer(error) ? new CommitUnknownError(error) : error);
      };
      const query = this.#frame(Framed, framed, { opens: !this.isSent, closes: true }, () => close(query), fail);
    });
  }

  #frame(
    Framed: FramedQueryClass,
    { statement, values, name }: Framable,
    frame: Frame,
    resolve: (result: QueryResult) => void,
    reject: (error: Error) => void,
  ): FramedQuery {
    const settle = (error: Error | null, result: QueryResult): void => {
      if (error) reject(error);
      else {
        this.#isOpen = true;
        resolve(result);
      }
    };
    const query = new Framed(statement, values, settle, frame);
    if (name !== undefined) query.name = name;
    if (frame.opens) this.#opening = query;
    this.#client.query(query);
    return query;
  }

  #begin(): void {
    const opening = { isBegun: false };
    this.#opening = opening;
    this.#beginning = this.#client.query(begin).then(() => {
      opening.isBegun = true;
      this.#isOpen = true;
    });
    this.#beginning.catch(() => undefined);
  }
}

/** Of what a body was handed: whether the transaction has begun, as far as can be told. */
export function hasBegun(tx: unknown): boolean {
  const life = lifeOf(tx as object);
  return !(life instanceof PgTransaction && life.isInVain);
}

/** As pg does it: from here the trace leads back to who sent the statement, and not to the socket. */
function withStack(error: Error): never {
  Error.captureStackTrace(error);
  throw error;
}

const isOfServer = (error: unknown): boolean => typeof propertyOf(error, "severity") === "string";

export interface OwnStatement {
  readonly text: string;
  readonly values: readonly unknown[];
  readonly name: string | undefined;
}

/** For pg's Query, which copies a config at some cost, but not a text and its values. */
interface Framable {
  readonly statement: string | QueryConfig;
  readonly values: readonly unknown[] | undefined;
  readonly name?: string | undefined;
}

const unframable = ["submit", "callback", "query_timeout"];
const isList = (values: unknown): values is readonly unknown[] => Array.isArray(values) && values.length > 0;

/** A statement with parameters whose answer is awaited; undefined for the other forms, which BEGIN cannot go with. */
function framable([first, values, callback]: readonly unknown[]): Framable | undefined {
  if (typeof values === "function" || callback !== undefined) return undefined;
  if (typeof first === "string") return isList(values) ? { statement: first, values } : undefined;
  const config = first as Partial<QueryConfig> | null | undefined;
  if (typeof config?.text !== "string" || unframable.some((key) => propertyOf(config, key) !== undefined))
    return undefined;
  const given = values ?? config.values;
  return isList(given)
    ? { statement: { ...config, text: config.text, values: [...given] }, values: undefined }
    : undefined;
}

/** A cursor is given back at once and sent later; a callback is called, and a promise settles, after that. */
function sendAfter(beginning: Promise<unknown>, parameters: readonly unknown[], send: () => unknown): unknown {
  const [first] = parameters;
  const callback = parameters.find((given) => typeof given === "function") ?? propertyOf(first, "callback");
  if (typeof propertyOf(first, "submit") === "function") {
    const { handleError } = first as { handleError(error: unknown): void };
    beginning.then(send, (error: unknown) => handleError.call(first, error));
    return first;
  }
  if (typeof callback === "function") return void beginning.then(send, (error: unknown) => callback(error));
  return beginning.then(send);
}
