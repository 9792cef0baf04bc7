/**
 * Plays somebody else's HTTP service, as the documentation asks it to be: it remembers keys, takes each key once and
 * answers a repeat with the first receipt; an undo of a key that it has not seen blocks that key. Its books are
 * append-only and have no unique key, so a second effect would show.
 */
import { DatabaseSync } from "node:sqlite";
import { RefusedError } from "../../../src/core/errors.ts";
import { type Effect, monotonicUs } from "./book.ts";

export interface Request {
  readonly verb: string;
  readonly what: string;
  readonly key: string;
}

/** A call arrived under a key whose undo came first. */
export class BlockedKeyError extends RefusedError {
  constructor(what: string) {
    super(`${what}: this key was canceled before its request came`, { code: "KEY_BLOCKED" });
  }
}

export class Provider {
  readonly #db: DatabaseSync;

  constructor(file: string) {
    // A killed process loses nothing that it has written, so nothing waits for the disk here.
    this.#db = new DatabaseSync(file, { timeout: 5_000 });
    this.#db.exec("PRAGMA journal_mode = WAL; PRAGMA synchronous = OFF");
    this.#db.exec(`
      CREATE TABLE IF NOT EXISTS answered (key TEXT PRIMARY KEY, receipt TEXT) WITHOUT ROWID;
      CREATE TABLE IF NOT EXISTS effect (n INTEGER PRIMARY KEY, what TEXT NOT NULL, receipt TEXT NOT NULL, at INTEGER NOT NULL);
      CREATE TABLE IF NOT EXISTS request (n INTEGER PRIMARY KEY, verb TEXT NOT NULL, what TEXT NOT NULL, key TEXT NOT NULL);
    `);
  }

  /** Does it and gives `receipt`; for every later request with this key only gives what it gave before. */
  request(key: string, what: string, receipt: string): string {
    return this.#atomically("request", what, key, () => {
      const known = this.#answer(key);
      if (known === null) throw new BlockedKeyError(what);
      return known ?? this.#effect(key, what, receipt);
    });
  }

  /** Takes back what was done under `actionKey`, or sees to it that it is never done. */
  undo(actionKey: string, key: string, what: string): void {
    this.#atomically("undo", what, key, () => {
      if (this.#answer(key) !== undefined) return;
      const receipt = this.#answer(actionKey);
      if (receipt === undefined) this.#remember(actionKey, null);
      this.#remember(key, "undone");
      if (typeof receipt === "string") this.#note(`undo ${what}`, receipt);
    });
  }

  /** The second half of a reservation. */
  confirm(key: string, what: string, receipt: string): void {
    this.#atomically("confirm", what, key, () => {
      if (this.#answer(key) === undefined) this.#effect(key, `confirm ${what}`, receipt);
    });
  }

  /** Says no, and will say no again. */
  refuse(key: string, what: string): never {
    this.#atomically("request", what, key, () => undefined);
    throw new RefusedError(`${what}: no`, { code: "NOT_TODAY" });
  }

  effects(): readonly Effect[] {
    const rows = this.#db.prepare("SELECT what, receipt, at FROM effect ORDER BY n").all();
    return rows.map((row) => ({
      place: "remote",
      what: `${row["what"]}`,
      receipt: `${row["receipt"]}`,
      at: Number(row["at"]),
    }));
  }

  requests(): readonly Request[] {
    const rows = this.#db.prepare("SELECT verb, what, key FROM request ORDER BY n").all();
    return rows.map((row) => ({ verb: `${row["verb"]}`, what: `${row["what"]}`, key: `${row["key"]}` }));
  }

  close(): void {
    this.#db.close();
  }

  /** Undefined: not seen. Null: blocked. */
  #answer(key: string): string | null | undefined {
    const row = this.#db.prepare("SELECT receipt FROM answered WHERE key = ?").get(key);
    return row === undefined ? undefined : (row["receipt"] as string | null);
  }

  #effect(key: string, what: string, receipt: string): string {
    this.#remember(key, receipt);
    this.#note(what, receipt);
    return receipt;
  }

  #remember(key: string, receipt: string | null): void {
    this.#db.prepare("INSERT INTO answered (key, receipt) VALUES (?, ?)").run(key, receipt);
  }

  #note(what: string, receipt: string): void {
    this.#db.prepare("INSERT INTO effect (what, receipt, at) VALUES (?, ?, ?)").run(what, receipt, monotonicUs());
  }

  #atomically<T>(verb: string, what: string, key: string, run: () => T): T {
    this.#db.exec("BEGIN IMMEDIATE");
    try {
      this.#db.prepare("INSERT INTO request (verb, what, key) VALUES (?, ?, ?)").run(verb, what, key);
      return run();
    } finally {
      this.#db.exec("COMMIT");
    }
  }
}
