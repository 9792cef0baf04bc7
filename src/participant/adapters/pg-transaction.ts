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
      const config = framable(parameters);
      if (config !== undefined && this.#Framed !== undefined)
        return this.#framed(this.#Framed, config, { opens: true, closes: false }).result;
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
  async query(config: QueryConfig, isLast: boolean): Promise<readonly Row[]> {
    const isClosing = isLast && this.#beginning === undefined && framable([config]) !== undefined;
    if (isClosing && this.#Framed !== undefined) return this.#close(this.#Framed, config);
    return ((await this.send([config])) as QueryResult<Row>).rows;
  }

  /** Throws CommitRefusedError, and what COMMIT was answered with. */
  async commit(): Promise<void> {
    if (!this.isSent) return;
    this.#closing ??= { ending: (await this.#client.query("COMMIT")).command };
    const { ending, error } = this.#closing;
    if (error !== undefined) throw error;
    if (ending !== "COMMIT") throw new CommitRefusedError();
  }

  async #close(Framed: FramedQueryClass, config: QueryConfig): Promise<readonly Row[]> {
    const { query, result } = this.#framed(Framed, config, { opens: !this.isSent, closes: true });
    try {
      await result;
      this.#closing = query;
    } catch (error) {
      if (query.isAnswered) this.#closing = query.ending === undefined ? { ending: undefined, error } : query;
      else throw query.isSent && !isOfServer(error) ? new CommitUnknownError(error) : error;
    }
    return [];
  }

  #framed(
    Framed: FramedQueryClass,
    config: QueryConfig,
    frame: Frame,
  ): { readonly query: FramedQuery; readonly result: Promise<QueryResult> } {
    const { promise, resolve, reject } = Promise.withResolvers<QueryResult>();
    const query = new Framed(
      config,
      (error, result) => {
        if (error) return reject(error);
        this.#isOpen = true;
        resolve(result);
      },
      frame,
    );
    if (frame.opens) this.#opening = query;
    this.#client.query(query);
    return { query, result: promise.catch(withStack) };
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

const unframable = ["submit", "callback", "query_timeout"];

/** A statement with parameters whose answer is awaited; undefined for the other forms, which BEGIN cannot go with. */
function framable([first, values, callback]: readonly unknown[]): QueryConfig | undefined {
  if (typeof values === "function" || callback !== undefined) return undefined;
  const config = (typeof first === "string" ? { text: first } : first) as Partial<QueryConfig> | null | undefined;
  if (typeof config?.text !== "string" || unframable.some((key) => propertyOf(config, key) !== undefined))
    return undefined;
  const given = values ?? config.values;
  if (!Array.isArray(given) || given.length === 0) return undefined;
  return { ...config, text: config.text, values: given };
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
