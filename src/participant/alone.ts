import type { TxAdapter } from "../core/participant.ts";
import { runScript, runScriptSync, type Script } from "../core/script.ts";

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
