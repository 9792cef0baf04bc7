// The meter of one sample: what the stretch that counts cost the database.
import pg from "pg";
import { readPostgresCommits, type SqliteCommits, watchSqliteCommits } from "./commits.ts";
import type { Contender, Meter, Place } from "./contender.ts";
import { cpuMsBelow, cpuMsOfTree } from "./cpu.ts";
import { countMariadbRoundTrips, countRoundTrips } from "./round-trips.ts";

/** Of the stretch that counts; null where it cannot be known. */
export interface Readings {
  readonly commits: number | null;
  /** From this process to the server. */
  readonly roundTrips: number | null;
  /** Of the server, or of what the contender itself started. */
  readonly serverCpuMs: number | null;
}

export interface ReadableMeter extends Meter {
  /** Null where the contender did not use the meter. */
  readings(): Readings | null;
  close(): Promise<void>;
}

export async function openMeter(
  needs: Contender["needs"],
  place: Place,
  serverPid: number | null,
): Promise<ReadableMeter> {
  const look = await observe(needs, place, serverPid);
  let before: Readings | undefined;
  let after: Readings | undefined;
  return {
    async begin() {
      before = await look.read();
    },
    async end() {
      after = await look.read();
    },
    readings: () => (before === undefined || after === undefined ? null : difference(before, after)),
    close: look.close,
  };
}

interface Observer {
  read(): Promise<Readings>;
  close(): Promise<void>;
}

const nothingToClose = (): Promise<void> => Promise.resolve();

async function observe(needs: Contender["needs"], place: Place, serverPid: number | null): Promise<Observer> {
  const serverCpu = (): number | null => (serverPid === null ? null : cpuMsOfTree(serverPid));
  switch (needs) {
    case "postgres":
      return observePostgres(place, serverCpu);
    case "mariadb": {
      const roundTrips = countMariadbRoundTrips(Number(new URL(place.url).port || 3306));
      return {
        read: async () => ({ commits: null, roundTrips: roundTrips(), serverCpuMs: serverCpu() }),
        close: nothingToClose,
      };
    }
    case "sqlite":
      return observeSqlite(place);
    case "redis":
      return {
        read: async () => ({ commits: null, roundTrips: null, serverCpuMs: serverCpu() }),
        close: nothingToClose,
      };
    case "folder":
      return {
        read: async () => ({ commits: null, roundTrips: null, serverCpuMs: cpuMsBelow(process.pid) }),
        close: nothingToClose,
      };
  }
}

/** Its own connection is open before the count begins, and what it asks itself is taken off. */
async function observePostgres(place: Place, serverCpu: () => number | null): Promise<Observer> {
  const client = new pg.Client({ connectionString: place.url });
  await client.connect();
  const roundTrips = countRoundTrips(Number(new URL(place.url).port || 5432));
  let own = 0;
  return {
    async read() {
      own++;
      const commits = await readPostgresCommits(client);
      return { commits, roundTrips: roundTrips() - own, serverCpuMs: serverCpu() };
    },
    close: () => client.end(),
  };
}

/** The file is there from the first look on. */
function observeSqlite(place: Place): Observer {
  let commits: SqliteCommits | undefined;
  return {
    async read() {
      commits ??= watchSqliteCommits(place.url);
      return { commits: commits.read(), roundTrips: null, serverCpuMs: null };
    },
    async close() {
      commits?.close();
    },
  };
}

function difference(before: Readings, after: Readings): Readings {
  const less = (of: keyof Readings): number | null => {
    const [from, to] = [before[of], after[of]];
    return from === null || to === null ? null : to - from;
  };
  return { commits: less("commits"), roundTrips: less("roundTrips"), serverCpuMs: less("serverCpuMs") };
}
