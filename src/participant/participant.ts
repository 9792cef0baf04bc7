// One of the user's databases. What each operation promises is said in core/participant.ts; how an outcome becomes known
// in transaction.ts; what makes repeats and late calls harmless in barrier.ts.
import { CatalogError, describeValue, OptionError } from "../core/errors.ts";
import type { Mode, Participant, ParticipantPort, TxAdapter } from "../core/participant.ts";
import { runScript, runScriptSync, type Script } from "../core/script.ts";
import type { WriteOutcome } from "../core/store.ts";
import { isSync, runAlone } from "./alone.ts";
import { act, confirm, undo } from "./barrier.ts";
import { dialectOf, type ParticipantDialect } from "./dialect.ts";
import { migrate } from "./migrate.ts";
import { type Transacting, transact } from "./transaction.ts";
import { ask, call, commit, type Ending, rollback, type Work } from "./work.ts";

/** Lower-case letters, digits and - _ . beginning with a letter or digit: fit for logs, metrics and commands. */
const namePattern = /^[a-z0-9][a-z0-9._-]{0,63}$/;

/**
 * Names a database and fixes the type of its transaction: `participant("orders", nodePostgres(pool))`. Connects to nothing
 * and starts nothing. The name is part of no key and of no stored row; it is for people, commands and logs.
 *
 * @throws OPTION_INVALID for a name or an adapter that cannot be one.
 */
export function participant<Tx, M extends Mode>(name: string, adapter: TxAdapter<Tx, M>): Participant<Tx, M> {
  checkName(name);
  checkAdapter(adapter);
  const dialect = dialectOf(adapter.dialect);
  return {
    name,
    mode: adapter.mode,
    port: portOf(name, adapter, dialect),
    migrate: () => migrate(adapter, dialect),
    runIn: (tx, script) => runIn(adapter, tx, script),
  };
}

function portOf<Tx>(name: string, adapter: TxAdapter<Tx>, dialect: ParticipantDialect): ParticipantPort {
  const own: Transacting<Tx> = { adapter, codes: dialect };
  const barrier: Transacting<Tx> = { ...own, missing: (error) => notMigrated(name, error) };
  return {
    name,
    mode: adapter.mode,
    dialect: adapter.dialect,
    ask: (script) => runAlone(adapter, script),
    own: (body, seal) => transact(own, (tx) => sealed(() => body(tx), seal)),
    act: (mark, op, body) => transact(barrier, (tx) => act(dialect, mark, op, () => body(tx))),
    undo: (mark, op, body) => transact(barrier, (tx) => undo(dialect, mark, op, (result) => body(tx, result))),
    confirm: (mark, body) => transact(barrier, (tx) => confirm(dialect, mark, (result) => body(tx, result))),
  };
}

type SealOutcome = WriteOutcome["kind"];
type Sealed<R> =
  | { readonly kind: "committed"; readonly result: R }
  | { readonly kind: "sealed-out"; readonly outcome: SealOutcome };

/** The seal comes last: so it locks the guard row only briefly, and finds out a transaction that the body left aborted. */
function* sealed<R>(body: () => R | PromiseLike<R>, seal: (result: R) => Script<SealOutcome>): Work<Ending<Sealed<R>>> {
  const result = yield* call(body);
  const outcome = yield* ask(seal(result));
  return outcome === "done" ? commit({ kind: "committed", result }) : rollback({ kind: "sealed-out", outcome });
}

/** On a synchronous client the script has run when this returns, before anything could be awaited. */
async function runIn<Tx, T>(adapter: TxAdapter<Tx>, tx: Tx, script: Script<T>): Promise<T> {
  if (isSync(adapter)) return runScriptSync(script, ({ sql, parameters }) => adapter.query(tx, sql, parameters));
  return runScript(script, ({ sql, parameters }) => adapter.query(tx, sql, parameters));
}

function notMigrated(name: string, cause: unknown): CatalogError {
  return new CatalogError(
    "PARTICIPANT_NOT_MIGRATED",
    `Expected makegood's tables in the database of participant ${name}, found none or older ones; call its migrate() once, or run: makegood migrate --participant`,
    { participant: name },
    { cause },
  );
}

function checkName(name: unknown): void {
  if (typeof name === "string" && namePattern.test(name)) return;
  throw new OptionError(
    "name",
    `participant: expected a name of 1 to 64 lower-case letters, digits, "-", "_" and "." that begins with a letter or digit, found ${describeValue(name)}`,
  );
}

function checkAdapter(adapter: unknown): asserts adapter is TxAdapter<unknown> {
  const found: Partial<TxAdapter<unknown>> = typeof adapter === "object" && adapter !== null ? adapter : {};
  const isAdapter =
    (found.mode === "async" || found.mode === "sync") &&
    typeof found.transaction === "function" &&
    typeof found.query === "function";
  if (isAdapter) return;
  throw new OptionError(
    "adapter",
    `participant: expected an adapter, such as nodePostgres(pool), found ${describeValue(adapter)}; is it the client itself?`,
  );
}
