import type { Dialect } from "../../core/store.ts";

/** The database's clock in epoch ms, as it stands when the expression is reached: not when the transaction began. */
export const nowMs: Readonly<Record<Dialect, string>> = {
  postgres: "floor(extract(epoch FROM clock_timestamp()) * 1000)::bigint",
  sqlite: "CAST(round(unixepoch('subsec') * 1000) AS INTEGER)",
  mysql: "CAST(UNIX_TIMESTAMP(NOW(3)) * 1000 AS UNSIGNED)",
};
