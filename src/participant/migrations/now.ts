import type { Dialect } from "../../core/store.ts";

/**
 * The database's clock in epoch ms, as it stands when the expression is reached (on MySQL and MariaDB: when the statement
 * began): not when the transaction began. By UTC, since an hour of local time comes twice in autumn.
 */
export const nowMs: Readonly<Record<Dialect, string>> = {
  postgres: "floor(extract(epoch FROM clock_timestamp()) * 1000)::bigint",
  sqlite: "CAST(round(unixepoch('subsec') * 1000) AS INTEGER)",
  mysql: "(TIMESTAMPDIFF(MICROSECOND, '1970-01-01', UTC_TIMESTAMP(3)) DIV 1000)",
};
