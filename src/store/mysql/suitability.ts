// Whether this server can keep the promises.
import { CatalogError } from "../../core/errors.ts";
import type { Row } from "../../core/script.ts";
import type { Connections } from "./connection.ts";
import { int, text, textOrNull } from "./values.ts";

/** SKIP LOCKED and JSON_TABLE. Tried: MariaDB 10.11. MySQL is expected to do, and was not tried. */
const oldest = { MariaDB: [10, 6, 0], MySQL: [8, 0, 4] } as const;

/** Three lanes for flushes and claims, three for everything else, and two for whoever shares the pool. */
export const leastConnections = 8;

/** The largest payload that limits may allow, 8 MiB, takes a third more as text. */
const leastPacketBytes = 16 * 1_024 * 1_024;

const settingsSql = `
SELECT VERSION() AS version, @@version_comment AS comment, @@innodb_flush_log_at_trx_commit AS flush_log, @@log_bin AS log_bin,
       @@binlog_format AS binlog_format, @@sync_binlog AS sync_binlog, @@max_allowed_packet AS max_packet,
       @@global.read_only AS is_read_only, DATABASE() AS name`;

/** Throws STORE_UNSUITABLE. Returns what is merely unwise. */
export async function checkSuitability(connections: Connections): Promise<readonly string[]> {
  const limit = connections.connectionLimit;
  if (limit !== undefined && limit > 0 && limit < leastConnections)
    throw unsuitable(
      `a pool of at least ${leastConnections} connections`,
      `connectionLimit: ${limit}`,
      "Raise `connectionLimit` of the pool",
    );
  const [row] = await connections.read({ sql: settingsSql, parameters: [] });
  if (row === undefined) throw unsuitable("a server that shows its settings", "none", "Check the connection");
  checkVersion(text(row["version"]));
  refuse(row);
  return warningsOf(row);
}

function checkVersion(version: string): void {
  const kind = /mariadb/i.test(version) ? "MariaDB" : "MySQL";
  // MariaDB may put `5.5.5-` before its own, for clients that are older than it.
  const [, ...found] = /^(?:5\.5\.5-)?(\d+)\.(\d+)\.(\d+)/.exec(version) ?? [];
  const least = oldest[kind];
  const place = least.findIndex((part, i) => Number(found[i] ?? 0) !== part);
  if (place !== -1 && Number(found[place] ?? 0) < (least[place] ?? 0))
    throw unsuitable(`${kind} ${least.join(".")} or later`, `${kind} ${version}`, "Upgrade the server");
}

function refuse(row: Row): void {
  if (textOrNull(row["name"]) === null)
    throw unsuitable("connections with a database", "none", "Name the `database` in the pool's options");
  if (int(row["is_read_only"]) !== 0)
    throw unsuitable("a server that can be written to", "read_only", "Connect to the primary");
  // Writes at READ COMMITTED cannot be logged as statements.
  if (int(row["log_bin"]) !== 0 && text(row["binlog_format"]).toUpperCase() === "STATEMENT")
    throw unsuitable("binlog_format = ROW or MIXED", "STATEMENT", "Set it on the server");
  if (int(row["max_packet"]) < leastPacketBytes)
    throw unsuitable(
      "max_allowed_packet of at least 16 MiB",
      `${int(row["max_packet"])} bytes`,
      "Raise it on the server",
    );
}

function warningsOf(row: Row): readonly string[] {
  return [
    ...warnIf(
      int(row["flush_log"]) !== 1,
      "innodb_flush_log_at_trx_commit is not 1: what was acknowledged may be lost in a crash, and steps may take effect twice",
    ),
    ...warnIf(
      int(row["log_bin"]) !== 0 && int(row["sync_binlog"]) !== 1,
      "sync_binlog is not 1: after a power cut the binary log, and what replicates it, may lack commits",
    ),
  ];
}

const warnIf = (isTrue: boolean, warning: string): readonly string[] => (isTrue ? [warning] : []);

function unsuitable(expected: string, found: string, advice: string): CatalogError {
  return new CatalogError("STORE_UNSUITABLE", `Expected ${expected}, found ${found}. ${advice}`, { expected, found });
}
