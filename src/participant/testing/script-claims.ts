import { deepEqual, equal, ok, rejects } from "node:assert/strict";
import type { Script } from "../../core/script.ts";
import type { Dialect } from "../../core/store.ts";
import { allBytes, BodyError, brokenScript, type Claim, insertScript, parameter } from "./scene.ts";

function* echo(dialect: Dialect, values: readonly unknown[]): Script<readonly unknown[]> {
  const [blob, empty, none, text] = ["bytea", "bytea", "bytea", "text"].map((type, at) =>
    parameter(dialect, at + 1, type),
  );
  const sql = `SELECT ${blob} AS full_bytes, ${empty} AS no_bytes, ${none} AS no_value, ${text} AS "someText"`;
  const [row] = yield { sql, parameters: values };
  return [row?.["full_bytes"], row?.["no_bytes"], row?.["no_value"], row?.["someText"]];
}

export const scriptClaims: readonly Claim[] = [
  {
    name: "statement: where the client has it, runs one statement, commits it, and gives its rows",
    async check({ note, effects, fixture: { adapter } }) {
      if (adapter.statement === undefined) return;
      await adapter.statement(`INSERT INTO effect (note) VALUES (${parameter(adapter.dialect, 1, "text")})`, [note]);
      equal(await effects(note), 1);
      const rows = await adapter.statement(`SELECT ${parameter(adapter.dialect, 1, "text")} AS "someText"`, [note]);
      deepEqual(
        rows.map((row) => row["someText"]),
        [note],
      );
      await rejects(
        async () => adapter.statement?.("SELECT 1 FROM no_table_of_this_name", []),
        /no_table_of_this_name/,
      );
    },
  },
  {
    name: "ask: bytes, empty bytes, null and text pass through unchanged, under the names that the statement gave them",
    async check({ port }) {
      const values = [allBytes, new Uint8Array(0), null, "Ünïcödé 'quoted' ? $1 -- \u{1f600}"];
      const [blob, empty, none, text] = await port.ask(echo(port.dialect, values));
      ok(blob instanceof Uint8Array && empty instanceof Uint8Array);
      deepEqual([[...blob], [...empty], none, text], [[...allBytes], [], null, values[3]]);
    },
  },
  {
    name: "ask: rejects with the client's error",
    async check({ port }) {
      await rejects(port.ask(brokenScript()), /no_table_of_this_name/);
    },
  },
  {
    name: "runIn: a script runs in the caller's transaction and shares its fate",
    async check({ orders, port, note, effects, fixture: { adapter } }) {
      const insert = (tx: unknown): Promise<void> => orders.runIn(tx, insertScript(port.dialect, note, undefined));
      // On a synchronous client the script has run when runIn returns its promise; nothing is awaited inside.
      const inTransaction = async (end: () => void): Promise<void> => {
        await adapter.transaction((tx) => {
          const inserted = insert(tx);
          return adapter.mode === "sync" ? end() : inserted.then(end);
        });
      };
      await inTransaction(() => undefined);
      equal(await effects(note), 1);
      const failing = inTransaction(() => {
        throw new BodyError("caller rolls back");
      });
      await rejects(failing, BodyError);
      equal(await effects(note), 1);
    },
  },
];
