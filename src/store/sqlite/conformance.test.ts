import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync, type SQLInputValue } from "node:sqlite";
import type { JournalRow } from "../../core/journal.ts";
import { runScriptSync } from "../../core/script.ts";
import { type HeldTransaction, testStore } from "../testing/conformance.ts";
import { sqlite } from "./sqlite.ts";
import { memory } from "./suitability.ts";

/** One byte more than SQLite takes in one value by default (SQLITE_MAX_LENGTH). Never filled, so that it costs no memory. */
const tooLarge = 1_000_000_001;
const poison = (row: JournalRow): JournalRow => ({ ...row, body: new Uint8Array(tooLarge) });

const noPush = "SQLite tells other processes nothing; they poll";

for (const thread of [true, false])
  testStore(`sqlite, a file, in ${thread ? "a thread of its own" : "the application's thread"}`, {
    async open() {
      const folder = mkdtempSync(join(tmpdir(), "makegood-sqlite-"));
      const path = join(folder, "engine.db");
      const store = sqlite(path, { thread });
      await store.open();
      return {
        store,
        poison,
        async second() {
          const other = sqlite(path, { thread });
          await other.open();
          return other;
        },
        begin: () => Promise.resolve(begin(path)),
        async close() {
          await store.close();
          rmSync(folder, { recursive: true });
        },
      };
    },
    skip: { push: noPush },
  });

const ownMemory = "a database in memory belongs to its one connection";
testStore("sqlite, in memory", {
  async open() {
    const store = sqlite(memory);
    await store.open();
    return { store, poison, second: () => Promise.reject(new Error(ownMemory)), close: () => store.close() };
  },
  skip: { second: ownMemory, begin: ownMemory, push: noPush },
});

/** As a participant's adapter begins: on a connection of the user's own, with the write lock. */
function begin(path: string): HeldTransaction {
  const database = new DatabaseSync(path, { timeout: 0 });
  database.exec("BEGIN IMMEDIATE");
  const end = (verb: string): Promise<void> => {
    database.exec(verb);
    database.close();
    return Promise.resolve();
  };
  return {
    run: (script) =>
      Promise.resolve(
        runScriptSync(script, ({ sql, parameters }) =>
          database.prepare(sql).all(...(parameters as readonly SQLInputValue[])),
        ),
      ),
    commit: () => end("COMMIT"),
    rollback: () => end("ROLLBACK"),
  };
}
