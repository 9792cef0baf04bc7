// What the mechanisms of a participant have in common: its client, its dialect of SQL, and the ports. A mechanism is a
// function of this; those that are methods are put together in participant.ts, those that are functions (`stateMachine`,
// `idempotent`) look it up by the participant they are given.
import type { ValueFormat } from "../core/envelope.ts";
import { CatalogError, describeValue, OptionError } from "../core/errors.ts";
import type { Limits } from "../core/limits.ts";
import type { Answer, Mode, Participant, TxAdapter } from "../core/participant.ts";
import type { Clock, Log, Random } from "../core/ports.ts";
import type { Script } from "../core/script.ts";
import { patiently, runAlone, runApart } from "./alone.ts";
import type { ParticipantDialect } from "./dialect.ts";
import { performInside } from "./inside.ts";
import type { Work } from "./work.ts";

export interface BaseOptions<Tx, M extends Mode> {
  readonly name: string;
  readonly adapter: TxAdapter<Tx, M>;
  readonly dialect: ParticipantDialect;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  /** Encodes what is stored: results, payloads. */
  readonly values: ValueFormat;
  readonly limits: Limits;
}

export interface Base<Tx, M extends Mode> extends BaseOptions<Tx, M> {
  /**
   * Performs an operation in the caller's transaction. Throws TRANSACTION_REQUIRED where there is none. `explain`: what an error
   * of a statement of ours means to the operation.
   */
  inside<T>(tx: Tx, work: Work<T>, explain?: (error: unknown) => unknown): Answer<M, T>;
  /** Runs an idempotent script in a transaction of its own, again while the database is busy or away (about six seconds). */
  alone<T>(script: () => Script<T>, signal?: AbortSignal): Promise<T>;
  /** As `alone`, for a script whose statements need not be one transaction: saves BEGIN and COMMIT where the client can. */
  apart<T>(script: () => Script<T>, signal?: AbortSignal): Promise<T>;
}

export function createBase<Tx, M extends Mode>(options: BaseOptions<Tx, M>): Base<Tx, M> {
  const { name, adapter, dialect, random } = options;
  const explain = (error: unknown): unknown =>
    dialect.troubleOf(error) === "missing" ? notMigrated(name, error) : error;
  const repeated = async <T>(run: () => Promise<T>, signal: AbortSignal | undefined): Promise<T> => {
    try {
      return await patiently(run, { codes: dialect, random, signal });
    } catch (error) {
      throw explain(error);
    }
  };
  return {
    ...options,
    inside(tx, work, explainMore) {
      const explainBoth = explainMore === undefined ? explain : (error: unknown) => explainMore(explain(error));
      return performInside({ adapter, tx, explain: explainBoth }, work);
    },
    alone: (script, signal) => repeated(() => runAlone(adapter, script()), signal),
    apart: (script, signal) => repeated(() => runApart(adapter, script()), signal),
  };
}

const bases = new WeakMap<object, Base<unknown, Mode>>();

export function rememberBase<Tx, M extends Mode>(of: Participant<Tx, M>, base: Base<Tx, M>): void {
  bases.set(of, base as unknown as Base<unknown, Mode>);
}

/** Throws OPTION_INVALID, naming `where`, for what was not made with `participant()`. */
export function baseOf<Tx, M extends Mode>(of: Participant<Tx, M>, where: string): Base<Tx, M> {
  const base = typeof of === "object" && of !== null ? bases.get(of) : undefined;
  if (base !== undefined) return base as unknown as Base<Tx, M>;
  throw new OptionError(
    where,
    `${where}: expected a participant made with participant(name, adapter), found ${describeValue(of)}`,
  );
}

export function notMigrated(name: string, cause: unknown): CatalogError {
  return new CatalogError(
    "PARTICIPANT_NOT_MIGRATED",
    `Expected makegood's tables in the database of participant ${name}, found none or older ones; call its migrate() once, or run: makegood migrate --participant`,
    { participant: name },
    { cause },
  );
}
