import { OptionError } from "../../core/errors.ts";
import { checkOptions } from "../../core/options.ts";
import type { Script } from "../../core/script.ts";

export type Durability = "warn" | "require" | "ignore";

export interface SqliteAdapterOptions {
  /**
   * What to do, at the first transaction, about a connection with `PRAGMA synchronous` below FULL: there a power cut may
   * take back a commit that was acknowledged, also one that the engine has recorded as done. better-sqlite3 does so by
   * itself in WAL mode. `warn` (default) warns once, `require` refuses the transaction, `ignore` keeps silent. The setting
   * itself is never changed, since it is the connection's, and FULL costs the application's other writes dearly.
   * Databases in memory are not checked.
   */
  readonly durability?: Durability;
}

const choices: readonly unknown[] = ["warn", "require", "ignore"] satisfies readonly Durability[];
const fullSynchronous = 2;

export function resolveSqliteOptions(options: SqliteAdapterOptions = {}): Required<SqliteAdapterOptions> {
  checkOptions(options, ["durability"], "options");
  const durability = options.durability ?? "warn";
  if (!choices.includes(durability))
    throw new OptionError("options.durability", `options.durability: expected "warn", "require" or "ignore"`);
  return { durability };
}

/** Looks at the connection's settings. @throws OPTION_INVALID where durability is required and missing. */
export function* durabilityScript(durability: Durability): Script<void> {
  if (durability === "ignore") return;
  const databases = yield { sql: "PRAGMA database_list", parameters: [] };
  const file = databases.find((row) => row["name"] === "main")?.["file"];
  if (file === "" || file === null) return;
  const [setting] = yield { sql: "PRAGMA synchronous", parameters: [] };
  judge(setting?.["synchronous"], durability);
}

function judge(synchronous: unknown, durability: Durability): void {
  if (Number(synchronous) >= fullSynchronous) return;
  const message = `Expected PRAGMA synchronous = FULL on this SQLite connection, found ${synchronous}: a power cut may take back what was committed. Set it after opening the database, or pass { durability: "ignore" }`;
  if (durability === "require") throw new OptionError("options.durability", message);
  process.emitWarning(message, { type: "MakegoodWarning", code: "MAKEGOOD_NOT_DURABLE" });
}
