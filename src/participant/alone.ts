import { setTimeout as wait } from "node:timers/promises";
import type { TxAdapter } from "../core/participant.ts";
import type { Random } from "../core/ports.ts";
import { runScript, runScriptSync, type Script } from "../core/script.ts";
import type { TroubleCodes } from "./dialect.ts";

export function isSync<Tx>(adapter: TxAdapter<Tx>): adapter is TxAdapter<Tx, "sync"> {
  return adapter.mode === "sync";
}

/** Runs a script in a transaction of its own and commits it. Rejects with what the client throws; safe to repeat if the script is. */
export async function runAlone<Tx, T>(adapter: TxAdapter<Tx>, script: Script<T>): Promise<T> {
  if (isSync(adapter)) {
    return adapter.transaction((tx) =>
      runScriptSync(script, ({ sql, parameters }) => adapter.query(tx, sql, parameters)),
    );
  }
  return adapter.transaction((tx) => runScript(script, ({ sql, parameters }) => adapter.query(tx, sql, parameters)));
}

/** Runs a script whose statements may each be a transaction of its own, as soon as the client can do that. */
export async function runApart<Tx, T>(adapter: TxAdapter<Tx>, script: Script<T>): Promise<T> {
  const { statement } = adapter;
  if (statement === undefined) return runAlone(adapter, script);
  return runScript(script, ({ sql, parameters }) => statement(sql, parameters));
}

const maxTries = 12;
const firstPauseMs = 10;
const maxPauseMs = 1_000;

export interface Patience {
  readonly codes: TroubleCodes;
  readonly random: Random;
  /** Ends the repeating early. */
  readonly signal?: AbortSignal | undefined;
}

/**
 * Repeats it while the database is busy, deadlocked or away: at most `maxTries` times, about six seconds in all. It must be
 * idempotent, since an attempt whose COMMIT got no answer is repeated too. Rejects with the last error.
 */
export async function patiently<T>(run: () => Promise<T>, { codes, random, signal }: Patience): Promise<T> {
  for (let tried = 1; ; tried++) {
    try {
      return await run();
    } catch (error) {
      const trouble = codes.troubleOf(error);
      if (tried === maxTries || (trouble !== "transient" && trouble !== "lost")) throw error;
      const pauseMs = Math.min(maxPauseMs, firstPauseMs * 2 ** (tried - 1)) * (0.5 + random.next() / 2);
      await wait(pauseMs, undefined, { signal });
    }
  }
}
