// `orders.once(tx, …)`: the record in the effect's own transaction.
//
// The primary key is the judge. Who takes the key runs the effect; whoever comes meanwhile waits at the database for the
// end of that transaction, and is then the winner (it was rolled back) or reads the answer (it was committed). There is no
// lease and no state in between: a record without its effect cannot be committed, unless the record was inserted first, the
// effect's failure is caught and the transaction committed nevertheless; so before that failure is thrown it is deleted again.
import { canonicalText, type Stored } from "../../core/codec.ts";
import { toMs } from "../../core/duration.ts";
import {
  CatalogError,
  describeValue,
  fromStoredError,
  InvariantError,
  isCodedError,
  KeyInputMismatchError,
  OptionError,
  StoreConflictError,
  StoreUnavailableError,
} from "../../core/errors.ts";
import { fingerprint, validateBusinessKey, validateScope } from "../../core/keys.ts";
import { defaultLimits } from "../../core/limits.ts";
import { checkFunction, checkOptions } from "../../core/options.ts";
import type { Awaitable, Mode, OnceRequest, Participant } from "../../core/participant.ts";
import type { Random } from "../../core/ports.ts";
import type { Script } from "../../core/script.ts";
import { parseStoredError } from "../../core/stored-error.ts";
import { sha256 } from "../../system.ts";
import type { Base } from "../base.ts";
import { ask, call, type Work } from "../work.ts";
import { type Entered, type Entry, type RecordRow, recordStatus } from "./record.ts";

export const defaultRetention = "90d";
const tokenBytes = 12;
const tokenChars = 16;
const tokensInBlock = 256;

export function createOnce<Tx, M extends Mode>(base: Base<Tx, M>): Participant<Tx, M>["once"] {
  const place: Place<Tx, M> = { base, running: new Set(), newToken: tokensOf(base.random) };
  return (tx, by, effect) =>
    base.inside(tx, perform(place, tx, by, effect as () => Awaitable<never>), (error) =>
      explain(base, by.scope, error),
    ) as never;
}

interface Place<Tx, M extends Mode> {
  readonly base: Base<Tx, M>;
  /** The records whose effect runs in this process. Only the transaction that entered one can see it meanwhile. */
  readonly running: Set<string>;
  readonly newToken: () => string;
}

function* perform<Tx, M extends Mode, R>(
  { base, running, newToken }: Place<Tx, M>,
  tx: Tx,
  by: OnceRequest,
  effect: () => Awaitable<R>,
): Work<Stored<R>> {
  const { entry, ifBusy } = resolve(by, newToken);
  checkFunction(effect, "effect", "once");
  const { records } = base.dialect;
  const entered = yield* enter(base, entry, ifBusy);
  if (entered === "busy") throw inProgress(entry.scope, null);
  if (entered === "taken") return answerOf(base, entry, yield* ask(records.read(entry)), running);
  const mark = markOf(entry, entered.owner);
  if (running.has(mark)) throw stillRuns(entry);
  running.add(mark);
  try {
    const result = yield* call(effect);
    const stored = base.values.store(result, `the answer of ${entry.scope}`);
    if (yield* keep(base, entry, entered.owner, stored.bytes)) return stored.value;
    throw endedByEffect(entry);
  } catch (error) {
    yield* takeBack(() => base.adapter.assertTransaction?.(tx), records.takeBack(entry, entered.owner));
    throw error;
  } finally {
    running.delete(mark);
  }
}

function* enter<Tx, M extends Mode>(base: Base<Tx, M>, entry: Entry, ifBusy: "wait" | "refuse"): Work<Entered> {
  const { records } = base.dialect;
  try {
    return yield* ask(records.enter(entry, ifBusy));
  } catch (error) {
    if (ifBusy === "refuse" && records.isBusy(error)) return "busy";
    throw error;
  }
}

function* keep<Tx, M extends Mode>(
  base: Base<Tx, M>,
  entry: Entry,
  owner: string,
  result: Uint8Array | null,
): Work<boolean> {
  const { records } = base.dialect;
  try {
    return yield* ask(records.keep(entry, owner, result));
  } catch (error) {
    if (!records.isTaken(error)) throw error;
    throw new StoreConflictError(
      `${entry.scope}: expected nobody else to take the key meanwhile, found a record of it; roll back and repeat the whole transaction`,
      { scope: entry.scope },
      { cause: error },
    );
  }
}

/**
 * In a transaction that the failure has aborted, or ended, it fails: then the record shares the effect's fate already. Where
 * the effect has committed by itself the record must stay with it, so whether the transaction is open is asked first.
 */
function* takeBack(assert: () => Awaitable<void>, script: Script<void>): Work<void> {
  try {
    yield* call(assert);
    yield* ask(script);
  } catch {
    // The error that brought us here says more.
  }
}

/** Neither scope nor key holds U+0000. */
const markOf = ({ scope, key }: Entry, owner: string): string => `${owner}\0${scope}\0${key}`;

function answerOf<Tx, M extends Mode, R>(
  base: Base<Tx, M>,
  entry: Entry,
  row: RecordRow | undefined,
  running: ReadonlySet<string>,
): Stored<R> {
  const { scope, key } = entry;
  if (row === undefined)
    throw new StoreConflictError(
      `${scope}: expected the record that stood in the way to be readable, found none; it was pruned this moment, or the transaction's snapshot is older. Repeat the transaction, best at READ COMMITTED`,
      { scope },
    );
  assertSameInput(entry, row.fingerprint);
  if (running.has(markOf(entry, row.owner))) throw stillRuns(entry);
  switch (row.status) {
    case recordStatus.succeeded:
      return base.values.decode(row.result) as Stored<R>;
    case recordStatus.failed:
      throw fromStoredError(parseStoredError(base.values.decode(row.error)));
    // Only `idempotent` leaves these, under the same scope and key.
    case recordStatus.manual:
      throw new CatalogError("RECORD_MANUAL", `${scope}: the record of key ${describeValue(key)} waits for a person`, {
        scope,
        error: row.error === null ? null : parseStoredError(base.values.decode(row.error)),
      });
    case recordStatus.processing:
    case recordStatus.open:
      throw inProgress(scope, row.heldForMs);
  }
}

function stillRuns({ scope, key }: Entry): CatalogError<"KEY_IN_PROGRESS"> {
  return new CatalogError(
    "KEY_IN_PROGRESS",
    `${scope}: expected one call at a time with key ${describeValue(key)} in one transaction, found one whose effect still runs. Await it first`,
    { scope, retryAfterMs: null },
  );
}

export function assertSameInput(
  { scope, key, fingerprint: given }: Pick<Entry, "scope" | "key" | "fingerprint">,
  recorded: string | null,
): void {
  if (given === null || recorded === null || given === recorded) return;
  throw new KeyInputMismatchError({ job: scope, key, recorded, given });
}

export function inProgress(scope: string, heldForMs: number | null): CatalogError<"KEY_IN_PROGRESS"> {
  const retryAfterMs = heldForMs === null ? null : Math.max(0, heldForMs);
  return new CatalogError(
    "KEY_IN_PROGRESS",
    `${scope}: another call with this key is under way; call again with the same key${retryAfterMs === null ? "" : `, in ${retryAfterMs} ms at the latest`}`,
    { scope, retryAfterMs },
  );
}

function endedByEffect({ scope, key }: Entry): InvariantError {
  return new InvariantError(
    `${scope}: expected the transaction to be open when the effect returned, found it ended or rolled back to a savepoint from before it (key ${describeValue(key)}); an effect must not send COMMIT or ROLLBACK. It may have happened`,
    { scope },
  );
}

/** Says of an error of a statement of ours whether the whole transaction may be repeated. */
function explain<Tx, M extends Mode>({ dialect }: Base<Tx, M>, scope: string, error: unknown): unknown {
  if (isCodedError(error)) return error;
  const trouble = dialect.troubleOf(error);
  if (trouble === "transient")
    return new StoreConflictError(
      `${scope}: the database gave up waiting for another transaction, or rolled this one back for it; roll back and repeat the whole transaction`,
      { scope },
      { cause: error },
    );
  if (trouble === "lost")
    return new StoreUnavailableError(
      `${scope}: the connection was lost before COMMIT, so nothing was committed; repeat the whole transaction`,
      { scope },
      { cause: error },
    );
  return error;
}

const requestKeys = ["scope", "key", "input", "ifBusy", "retention"];
const defaultRetainMs = toMs(defaultRetention, "retention");
export const minRetainMs = 60_000;

function resolve(
  by: OnceRequest,
  newToken: () => string,
): { readonly entry: Entry; readonly ifBusy: "wait" | "refuse" } {
  checkOptions(by, requestKeys, "once");
  const { ifBusy = "wait", retention } = by;
  if (ifBusy !== "wait" && ifBusy !== "refuse")
    throw new OptionError("ifBusy", `once: expected ifBusy "wait" or "refuse", found ${describeValue(ifBusy)}`);
  const entry: Entry = {
    scope: validateScope(by.scope, "once.scope"),
    key: validateBusinessKey(by.key),
    fingerprint: by.input === undefined ? null : fingerprintOf(by.input),
    retainMs: retention === undefined ? defaultRetainMs : toMs(retention, "once.retention", { min: minRetainMs }),
    token: newToken(),
  };
  return { entry, ifBusy };
}

/** Made in blocks: encoding one by itself took as long as all other checks. */
function tokensOf(random: Random): () => string {
  let block = "";
  let used = 0;
  return () => {
    if (used === block.length) {
      block = Buffer.from(random.bytes(tokenBytes * tokensInBlock)).toString("base64url");
      used = 0;
    }
    used += tokenChars;
    return block.slice(used - tokenChars, used);
  };
}

const inputBounds = { maxBytes: defaultLimits.maxInputBytes, maxDepth: defaultLimits.maxDepth };

/** Of the canonical text, so that the order of properties does not matter. */
export const fingerprintOf = (input: unknown): string =>
  fingerprint(sha256, canonicalText(input, "input", inputBounds));
