// The one clock that judges leases and due times: the server's. UTC_TIMESTAMP and not UNIX_TIMESTAMP(NOW(6)), which asks the
// session's time zone and errs for an hour each autumn. It is the time at which the *statement* began, so that an index may be
// searched by it; what is written after a wait for a lock is written by a statement begun after that wait.
import { randomBytes } from "node:crypto";
import { createIdSource } from "../../core/ids.ts";
import { idBytes } from "./values.ts";

/** Epoch milliseconds. */
export const nowSql = "TIMESTAMPDIFF(MICROSECOND, '1970-01-01 00:00:00', UTC_TIMESTAMP(6)) DIV 1000";

const nextId = createIdSource(
  () => Date.now(),
  (count) => randomBytes(count),
);

/** For rows that no caller names: incidents and audit. Their order is that of their times; the id only tells them apart. */
export const newRowId = (): Buffer => idBytes(nextId());
