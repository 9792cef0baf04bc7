import { setTimeout as wait } from "node:timers/promises";
import type { Awaitable, TxAdapter } from "../../core/participant.ts";
import { type Row, runScript, type Script, type Statement } from "../../core/script.ts";
import { isSync, runAlone } from "../alone.ts";
import type { ParticipantDialect } from "../dialect.ts";
import { migrations } from "./list.ts";
import { missingOf } from "./migration.ts";

const maxTries = 200;
const pauseMs = 50;

/**
 * Everything in one transaction where the database can, under a lock of the database, so that a process killed in the
 * middle leaves nothing and several at once take turns. Repeats at most `maxTries` times, ten seconds in all, while another
 * process is in the way: SQLite's one writer, or the engine's own migration creating the same schema.
 */
export async function migrate<Tx>(adapter: TxAdapter<Tx>, dialect: ParticipantDialect): Promise<void> {
  for (let tried = 1; ; tried++) {
    try {
      await applyAlone(adapter, dialect);
      return;
    } catch (error) {
      if (tried === maxTries || !dialect.isMigrationRace(error)) throw error;
      await wait(pauseMs);
    }
  }
}

async function applyAlone<Tx>(adapter: TxAdapter<Tx>, dialect: ParticipantDialect): Promise<void> {
  if (isSync(adapter)) return runAlone(adapter, applyMissing(dialect));
  await adapter.transaction(async (tx) => {
    const query = ({ sql, parameters }: Statement): Awaitable<readonly Row[]> => adapter.query(tx, sql, parameters);
    try {
      await runScript(applyMissing(dialect), query);
    } finally {
      // The error that brought us here says more, and a lost connection holds no lock.
      await runScript(dialect.migrations.end(), query).catch(() => undefined);
    }
  });
}

function* applyMissing({ name, migrations: list }: ParticipantDialect): Script<void> {
  const missing = missingOf(migrations, yield* list.begin());
  for (const migration of missing) {
    for (const sql of migration.statements[name]) yield { sql, parameters: [] };
    yield* list.enter(migration.name);
  }
}
