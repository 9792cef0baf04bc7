import { barrier } from "./0001-barrier.ts";
import { record } from "./0002-record.ts";
import { lock } from "./0003-lock.ts";
import { outbox } from "./0004-outbox.ts";
import { machine } from "./0005-machine.ts";
import { versioned } from "./0006-versioned.ts";
import { once } from "./0007-once.ts";
import { expiry } from "./0008-expiry.ts";
import { history } from "./0009-history.ts";
import type { Migration } from "./migration.ts";

/** In the order in which they are applied. */
export const migrations: readonly Migration[] = [
  barrier,
  record,
  lock,
  outbox,
  machine,
  versioned,
  once,
  expiry,
  history,
];
