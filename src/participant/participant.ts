// One of the user's databases. What each operation promises is said in core/participant.ts; how an outcome becomes known
// in transaction.ts; what makes repeats and late calls harmless in barrier.ts.
import { createValueFormat, type ValueCodec } from "../core/envelope.ts";
import { describeValue, OptionError } from "../core/errors.ts";
import { type Limits, resolveLimits } from "../core/limits.ts";
import { checkOptions } from "../core/options.ts";
import type { OutboxPort } from "../core/outbox.ts";
import type { Mode, Participant, ParticipantPort, TxAdapter } from "../core/participant.ts";
import type { Clock, Log, Random } from "../core/ports.ts";
import type { Script } from "../core/script.ts";
import type { WriteOutcome } from "../core/store.ts";
import { createSystemRandom, defaultLog, systemClock } from "../system.ts";
import { runAlone } from "./alone.ts";
import { act, confirm, undo } from "./barrier/barrier.ts";
import { barrierInside } from "./barrier/inside.ts";
import { type Base, createBase, notMigrated, rememberBase } from "./base.ts";
import { dialectOf, type TransactionGuard } from "./dialect.ts";
import { lockOf } from "./lock/lock.ts";
import { migrate } from "./migrations/migrate.ts";
import { createOutbox } from "./outbox/outbox.ts";
import { createOnce } from "./record/once.ts";
import { type Transacting, transact } from "./transaction.ts";
import { createUpdateVersioned } from "./versioned/update-versioned.ts";
import { ask, callGuarded, commit, type Ending, rollback, type Work } from "./work.ts";

/** Lower-case letters, digits and - _ . beginning with a letter or digit: fit for logs, metrics and commands. */
const namePattern = /^[a-z0-9][a-z0-9._-]{0,63}$/;

export interface ParticipantOptions {
  /** As for `makegood()`: how results and payloads are encoded, for example encrypted. */
  readonly values?: { readonly codec?: ValueCodec; readonly others?: readonly ValueCodec[] };
  /** `maxResultBytes`, `maxSignalBytes` (of messages), `maxDepth` and `maxKeyBytes` count here. */
  readonly limits?: Partial<Limits>;
  /** For tests. Default: the system's. */
  readonly clock?: Clock;
  /** For tests. Default: the system's. */
  readonly random?: Random;
  /** pino-compatible. Default: warnings and errors as JSON lines on stderr. */
  readonly log?: Log;
}

/**
 * Names a database and fixes the type of its transaction: `participant("orders", nodePostgres(pool))`. Connects to nothing
 * and starts nothing. The name is part of no key and of no stored row; it is for people, commands and logs.
 *
 * @throws OPTION_INVALID for a name or an adapter that cannot be one.
 */
export function participant<Tx, M extends Mode>(
  name: string,
  adapter: TxAdapter<Tx, M>,
  options: ParticipantOptions = {},
): Participant<Tx, M> {
  checkName(name);
  checkAdapter(adapter);
  checkOptions(options, ["values", "limits", "clock", "random", "log"], "participant");
  const base = createBase({ name, adapter, dialect: dialectOf(adapter.dialect), ...resolveTools(options) });
  const outbox = createOutbox(base);
  const made: Participant<Tx, M> = {
    name,
    mode: adapter.mode,
    updateVersioned: createUpdateVersioned(base),
    port: portOf(base, outbox.port),
    ...outbox.publishing,
    migrate: () => migrate(adapter, base.dialect),
    barrier: (tx, call, effect) => barrierInside(base, tx, call, effect),
    lock: lockOf(base),
    once: createOnce(base),
    runIn: async (tx, script) => (await base.inside(tx, ask(script))) as never,
  };
  rememberBase(made, base);
  return made;
}

function resolveTools({ values, limits, clock, random, log }: ParticipantOptions) {
  const resolved = resolveLimits(limits);
  const { maxDepth, maxResultBytes } = resolved;
  return {
    clock: clock ?? systemClock,
    random: random ?? createSystemRandom(),
    log: log ?? defaultLog,
    limits: resolved,
    values: createValueFormat({ ...values, maxDepth, maxBytes: maxResultBytes }),
  };
}

function portOf<Tx, M extends Mode>({ name, adapter, dialect }: Base<Tx, M>, outbox: OutboxPort): ParticipantPort {
  const own: Transacting<Tx> = { adapter, codes: dialect };
  const barrier: Transacting<Tx> = { ...own, missing: (error) => notMigrated(name, error) };
  return {
    name,
    mode: adapter.mode,
    dialect: adapter.dialect,
    outbox,
    ask: (script) => runAlone(adapter, script),
    own: (body, seal) => transact(own, (tx) => sealed(dialect.guard, () => body(tx), seal)),
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
function* sealed<R>(
  guard: TransactionGuard,
  body: () => R | PromiseLike<R>,
  seal: (result: R) => Script<SealOutcome>,
): Work<Ending<Sealed<R>>> {
  const result = yield* callGuarded(guard, body);
  const outcome = yield* ask(seal(result));
  return outcome === "done" ? commit({ kind: "committed", result }) : rollback({ kind: "sealed-out", outcome });
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
