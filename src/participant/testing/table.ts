// A table of the user's for claims about rows, and ways to it that leave the code under test aside.
import type { Script } from "../../core/script.ts";
import type { Dialect } from "../../core/store.ts";
import { parameter, type Scene } from "./scene.ts";

const columnsOf: Readonly<Record<Dialect, string>> = {
  postgres:
    "id integer PRIMARY KEY, state text NOT NULL, revision bigint NOT NULL DEFAULT 1, amount integer NOT NULL DEFAULT 100, note text",
  sqlite:
    "id INTEGER PRIMARY KEY, state TEXT NOT NULL, revision INTEGER NOT NULL DEFAULT 1, amount INTEGER NOT NULL DEFAULT 100, note TEXT",
  mysql:
    "id INT PRIMARY KEY, state VARCHAR(64) NOT NULL, revision BIGINT NOT NULL DEFAULT 1, amount INT NOT NULL DEFAULT 100, note TEXT",
};

export interface TestTable {
  readonly name: string;
  /** One statement, in a transaction of its own. */
  run(sql: string, parameters?: readonly unknown[]): Promise<readonly Readonly<Record<string, unknown>>[]>;
  insert(id: number, state: string): Promise<void>;
  row(id: number): Promise<{
    readonly state: string;
    readonly revision: number;
    readonly amount: number;
    readonly note: string | null;
  }>;
}

/** A fresh one for the claim. */
export async function createTable({ port, fixture }: Scene): Promise<TestTable> {
  const name = `claim_${fixture.newId().replaceAll("-", "")}`;
  const run: TestTable["run"] = (sql, parameters = []) => port.ask(statement(sql, parameters));
  const at = (number: number, type: string): string => parameter(port.dialect, number, type);
  await run(`CREATE TABLE ${name} (${columnsOf[port.dialect]})`);
  return {
    name,
    run,
    insert: async (id, state) =>
      void (await run(`INSERT INTO ${name} (id, state) VALUES (${at(1, "integer")}, ${at(2, "text")})`, [id, state])),
    async row(id) {
      const [row] = await run(`SELECT state, revision, amount, note FROM ${name} WHERE id = ${at(1, "integer")}`, [id]);
      return {
        state: String(row?.["state"]),
        revision: Number(row?.["revision"]),
        amount: Number(row?.["amount"]),
        note: row?.["note"] === null ? null : String(row?.["note"]),
      };
    },
  };
}

function* statement(sql: string, parameters: readonly unknown[]): Script<readonly Readonly<Record<string, unknown>>[]> {
  return yield { sql, parameters };
}
