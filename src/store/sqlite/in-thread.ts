import { randomBytes } from "node:crypto";
import type { Clock, Random } from "../../core/ports.ts";
import type { Store } from "../../core/store.ts";
import { commandStore } from "./commands.ts";
import { Connection } from "./connection.ts";
import { executionStore } from "./executions.ts";
import { executorStore } from "./executors.ts";
import { migrate } from "./migrate.ts";
import { createMoments } from "./moment.ts";
import { ownTransactions, readIdentity } from "./own.ts";
import { readStore } from "./reads.ts";
import { scheduleStore } from "./schedules.ts";
import { workerStore } from "./workers.ts";

export interface InThreadSettings {
  readonly path: string;
  readonly busyTimeoutMs: number;
  readonly conflictAfterMs: number;
  readonly clock?: Pick<Clock, "now"> | undefined;
  readonly random?: Pick<Random, "bytes"> | undefined;
}

export const systemClock: Pick<Clock, "now"> = { now: () => Date.now() };
export const systemRandom: Pick<Random, "bytes"> = { bytes: (count) => randomBytes(count) };

/** The store in the thread of its caller: every call does its work, and waits for the disk, before it returns its promise. */
export function inThread(settings: InThreadSettings): Store {
  const { path, busyTimeoutMs, conflictAfterMs, clock = systemClock, random = systemRandom } = settings;
  const moments = createMoments(clock, random);
  const connection = new Connection({ path, moment: moments, busyTimeoutMs, conflictAfterMs });
  let identity: string | null = null;
  return {
    kind: "sqlite",
    executions: executionStore(connection),
    workers: workerStore(connection),
    commands: commandStore(connection),
    executors: executorStore(connection),
    reads: readStore(connection),
    schedules: scheduleStore(connection),
    own: ownTransactions(() => identity, moments),
    flushLanes: 1,
    async open() {
      await connection.open();
      try {
        await migrate(connection);
        identity = await connection.read((sql) => sql.script(readIdentity()));
      } catch (error) {
        connection.close();
        throw error;
      }
    },
    async migrate() {
      await connection.open();
      return migrate(connection);
    },
    // SQLite cannot push: other processes poll.
    announce() {},
    listen: () => () => {},
    close() {
      connection.close();
      return Promise.resolve();
    },
  };
}
