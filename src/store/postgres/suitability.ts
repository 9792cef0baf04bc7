// Whether this server can keep the promises.
import { CatalogError } from "../../core/errors.ts";
import type { Connections } from "./connection.ts";
import { int, text } from "./values.ts";

/** 14: `id <> ALL` by hash, several unnest side by side, and what is still maintained. Tried: 15. */
const oldestServer = 140_000;

/** Two lanes for flushes, one for claims, one for schedules, a listener, and two for everything else. */
const leastConnections = 7;

/** Throws STORE_UNSUITABLE. Returns what is merely unwise. */
export async function checkSuitability(
  connections: Connections,
  maxConnections: number | undefined,
): Promise<readonly string[]> {
  if (maxConnections !== undefined && maxConnections < leastConnections)
    throw unsuitable(
      `a pool of at least ${leastConnections} connections`,
      `max: ${maxConnections}`,
      "Raise `max` of the pool",
    );
  const [row] = await connections.read({
    sql: `
      SELECT current_setting('server_version_num') AS version, current_setting('server_version') AS version_name,
             pg_is_in_recovery()::integer AS is_standby, current_setting('fsync') AS fsync,
             current_setting('synchronous_commit') AS synchronous_commit, current_setting('full_page_writes') AS full_page_writes,
             current_setting('default_transaction_isolation') AS isolation, current_setting('bytea_output') AS bytea_output`,
    parameters: [],
  });
  const setting = (name: string): string => text(row?.[name]);
  if (int(row?.version) < oldestServer)
    throw unsuitable("PostgreSQL 14 or later", `PostgreSQL ${setting("version_name")}`, "Upgrade the server");
  if (int(row?.is_standby) === 1)
    throw unsuitable("a primary server", "a standby, which cannot be written to", "Connect to the primary");
  if (setting("isolation") !== "read committed")
    throw unsuitable(
      "default_transaction_isolation = 'read committed'",
      `'${setting("isolation")}'`,
      "Set it for this user, or give the store a pool of its own",
    );
  if (setting("bytea_output") !== "hex")
    throw unsuitable("bytea_output = 'hex'", `'${setting("bytea_output")}'`, "Set it for this user");
  return [
    ...warnIf(setting("fsync") === "off", "fsync is off: after a power cut the database may be corrupt"),
    ...warnIf(
      setting("full_page_writes") === "off",
      "full_page_writes is off: after a power cut the database may be corrupt",
    ),
    ...warnIf(
      setting("synchronous_commit") === "off",
      "synchronous_commit is off: what was acknowledged may be lost in a crash, and steps may take effect twice",
    ),
  ];
}

const warnIf = (isTrue: boolean, warning: string): readonly string[] => (isTrue ? [warning] : []);

function unsuitable(expected: string, found: string, advice: string): CatalogError {
  return new CatalogError("STORE_UNSUITABLE", `Expected ${expected}, found ${found}. ${advice}`, { expected, found });
}
