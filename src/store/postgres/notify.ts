// Announcements between processes, by NOTIFY. They only save time: whoever misses one polls.
//
// Work that is started after a quiet moment is announced by its own commit, which saves a round trip. Later news go out after
// the commits they speak of, those of a few ms as one statement: commits with a NOTIFY in them wait for each other, which
// under load costs a factor of 4.7.
//
// Listening takes one connection of the pool, which is asked for a sign of life now and then, since a connection may die
// without a word; when it has, everybody is told to look, and it is made anew.
import { randomUUID } from "node:crypto";
import type pg from "pg";
import type { Log } from "../../core/ports.ts";
import type { Connections } from "./connection.ts";
import { textArray } from "./values.ts";

type Hear = (execution: string | null) => void;

/** With what `Notices` made as its only parameter. */
export const notifySql = (parameter: number): string =>
  `SELECT count(pg_notify('makegood', p)) FROM unnest($${parameter}::text[]) p`;

const coalesceMs = 5;
/** So long after the last announcement a commit may carry one: at most twenty a second do. */
const quietMs = 50;
/** A payload holds 8,000 bytes at most. */
const maxNewsInPayload = 180;
/** Beyond this many in one go the rest is left to polling. */
const maxIdsAtOnce = 2_000;
const mayBeWork = "";
const firstPauseMs = 100;
const maxPauseMs = 5_000;
const signOfLifeMs = 30_000;

export class Notices {
  readonly #connections: Connections;
  readonly #log: Log;
  /** Marks what this store said, so that it does not hear itself. */
  readonly #self = randomUUID().slice(0, 8);
  /** By namespace. "": there may be work. */
  #pending = new Map<string, Set<string>>();
  #pendingCount = 0;
  #isSending = false;
  #timer: NodeJS.Timeout | undefined;
  #sentAt = Number.NEGATIVE_INFINITY;
  readonly #hearers = new Map<symbol, { readonly namespace: string; readonly hear: Hear }>();
  #listener: pg.PoolClient | undefined;
  #isListening = false;
  #isClosed = false;

  constructor(connections: Connections, log: Log) {
    this.#connections = connections;
    this.#log = log;
  }

  announce(namespace: string, execution: string | null): void {
    if (this.#isClosed) return;
    const news = this.#pending.get(namespace) ?? new Set();
    this.#pending.set(namespace, news);
    if (this.#pendingCount++ < maxIdsAtOnce) news.add(execution ?? mayBeWork);
    else news.add(mayBeWork);
    if (this.#isSending) return;
    this.#isSending = true;
    const isQuiet = performance.now() - this.#sentAt > coalesceMs;
    if (isQuiet) setImmediate(() => void this.#send());
    else this.#timer = setTimeout(() => void this.#send(), coalesceMs).unref();
  }

  /** What a commit is to carry that leaves work in these namespaces; null: to be announced afterwards. */
  withCommit(namespaces: readonly string[]): readonly string[] | null {
    const now = performance.now();
    if (this.#isClosed || this.#isSending || namespaces.length === 0 || now - this.#sentAt < quietMs) return null;
    this.#sentAt = now;
    return [...new Set(namespaces)].flatMap((namespace) => this.#payloadsOf(namespace, [mayBeWork]));
  }

  listen(namespace: string, hear: Hear): () => void {
    const mine = Symbol(namespace);
    this.#hearers.set(mine, { namespace, hear });
    if (!this.#isListening) {
      this.#isListening = true;
      void this.#keepListening();
    }
    return () => {
      this.#hearers.delete(mine);
      if (this.#hearers.size === 0) this.#hangUp();
    };
  }

  close(): void {
    this.#isClosed = true;
    clearTimeout(this.#timer);
    this.#hearers.clear();
    this.#hangUp();
  }

  async #send(): Promise<void> {
    this.#isSending = false;
    if (this.#isClosed) return;
    this.#sentAt = performance.now();
    const payloads = [...this.#pending].flatMap(([namespace, news]) => this.#payloadsOf(namespace, [...news]));
    this.#pending = new Map();
    this.#pendingCount = 0;
    try {
      await this.#connections.write({
        sql: notifySql(1),
        parameters: [textArray(payloads)],
      });
    } catch (error) {
      this.#log.debug({ err: error }, "an announcement was lost");
    }
  }

  #payloadsOf(namespace: string, news: readonly string[]): readonly string[] {
    const payloads: string[] = [];
    for (let from = 0; from < news.length; from += maxNewsInPayload)
      payloads.push(JSON.stringify([this.#self, namespace, ...news.slice(from, from + maxNewsInPayload)]));
    return payloads;
  }

  async #keepListening(): Promise<void> {
    let pauseMs = firstPauseMs;
    while (this.#hearers.size > 0) {
      const startedAt = performance.now();
      try {
        await this.#listenOnce();
      } catch (error) {
        this.#log.debug({ err: error }, "listening to announcements broke off");
      }
      if (performance.now() - startedAt > maxPauseMs) pauseMs = firstPauseMs;
      if (this.#hearers.size === 0) break;
      await new Promise<void>((resolve) => setTimeout(resolve, pauseMs * (0.5 + Math.random() / 2)).unref());
      pauseMs = Math.min(maxPauseMs, pauseMs * 2);
    }
    this.#isListening = false;
  }

  /** Settles when the connection is gone. */
  async #listenOnce(): Promise<void> {
    const client = await this.#connections.checkOut();
    this.#listener = client;
    let alive: NodeJS.Timeout | undefined;
    try {
      const gone = new Promise<never>((_, reject) => {
        client.once("end", () => reject(new Error("the connection ended")));
        client.once("error", reject);
        // A dead connection that still looks open: the answer does not come in time, and the deadline ends it.
        const ask = () => void this.#connections.ask(client, "SELECT 1").catch(reject);
        alive = setInterval(ask, signOfLifeMs).unref();
      });
      gone.catch(() => undefined);
      client.on("notification", ({ payload }) => this.#hearPayload(payload));
      await this.#connections.ask(client, "LISTEN makegood");
      // What was announced while nobody listened is lost: everybody looks once.
      for (const { hear } of this.#hearers.values()) hear(null);
      if (this.#hearers.size > 0) await gone;
    } finally {
      clearInterval(alive);
      this.#listener = undefined;
      client.release(true);
    }
  }

  #hearPayload(payload: string | undefined): void {
    // The server sends this store's own news back to it, which are many.
    if (payload?.startsWith(`["${this.#self}"`)) return;
    const said = parse(payload);
    if (said === undefined) return;
    const [, namespace, ...news] = said;
    for (const hearer of [...this.#hearers.values()])
      if (hearer.namespace === namespace) for (const id of news) hearer.hear(id === mayBeWork ? null : id);
  }

  #hangUp(): void {
    void this.#listener?.end().catch(() => undefined);
  }
}

/** Others may use the channel too. */
function parse(payload: string | undefined): readonly string[] | undefined {
  try {
    const said: unknown = JSON.parse(payload ?? "");
    return Array.isArray(said) && said.length >= 2 && said.every((item) => typeof item === "string") ? said : undefined;
  } catch {
    return undefined;
  }
}
