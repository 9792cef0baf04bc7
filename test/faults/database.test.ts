/**
 * PostgreSQL, or MariaDB, is restarted, killed and away while a worker process is at work, and its connections are ended all the time.
 * The worker's process lives on, everything completes soon after, and every effect is there once.
 *
 * Faults F9, F10, F11; guarantees G1, G3, G4, G5, G11, G12.
 */

import { type App, makegood } from "makegood";
import mysql2 from "mysql2/promise";
import pg from "pg";
import { expect, it, vi } from "vitest";
import { silentLog } from "../../src/core/ports.ts";
import { describeWithOwnMariadb, describeWithOwnPostgres } from "../services/describe.ts";
import { startLosingProxy } from "./support/losing-proxy.ts";
import { faultsInOrders } from "./support/order-books.ts";
import { mariadbPlaces, type NewPlace, postgresPlaces } from "./support/places.ts";
import { makePlots } from "./support/plots.ts";
import { makeNursery } from "./support/processes.ts";
import type { WorkerArguments } from "./support/worker-child.ts";
import { openWorld, type Place } from "./support/world.ts";

const customerCount = 12;
const recoveryMs = 10_000;
/** Where a broken connection goes unnoticed, a statement waits for its deadline first. */
const deadlineMs = 10_000;
const leaseMs = 2_000;

interface Server {
  readonly url: string;
  stop(): Promise<void>;
  start(): Promise<void>;
}

describeWithOwnPostgres("a worker whose database fails", (server) => {
  suite(
    server,
    postgresPlaces(() => server().url),
    {
      fast: () => server().restart("fast"),
      immediate: () => server().restart("immediate"),
      kill: () => server().restart("kill"),
    },
    async () => {
      const admin = new pg.Client({ connectionString: server().url });
      await admin.connect();
      await admin.query(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND backend_type = 'client backend'",
      );
      await admin.end();
    },
  );
});

describeWithOwnMariadb("a worker whose MariaDB fails", (server) => {
  suite(
    server,
    mariadbPlaces(() => server().url),
    { fast: () => server().restart("fast"), kill: () => server().restart("kill") },
    async () => {
      const admin = await mysql2.createConnection({ uri: server().url });
      const [rows] = await admin.query(
        "SELECT id FROM information_schema.processlist WHERE id <> CONNECTION_ID() AND user = 'makegood'",
      );
      // One may have ended by itself.
      for (const { id } of rows as { readonly id: number }[]) await admin.query(`KILL ${id}`).catch(() => undefined);
      await admin.end();
    },
  );
});

function suite(
  server: () => Server,
  newPlace: NewPlace,
  restarts: Readonly<Record<string, () => Promise<void>>>,
  endConnections: () => Promise<void>,
): void {
  const { start } = makeNursery<WorkerArguments>("./worker-child.ts");

  /** Orders keep coming in, a few at a time, while `disturb` does its work; `served` waits for so many more to be completed. */
  async function atWork(
    disturb: (served: (more: number, withinMs?: number) => Promise<void>) => Promise<void>,
    through?: (place: Place) => Place,
  ): Promise<void> {
    const place = newPlace();
    const world = await openWorld(place);
    const app: App = makegood({ store: world.store, namespace: place.name, log: silentLog });
    const { buys } = makePlots(world);
    app.register(buys);
    const worker = start({ place: through?.(place) ?? place, name: "one", leaseMs });
    // Where only one is cut off, there is another one to take over.
    const other = through === undefined ? undefined : start({ place, name: "two", leaseMs });
    const executions = new Map<string, string>();
    let isOver = false;
    let completed = 0;
    const customer = async (): Promise<void> => {
      while (!isOver) {
        const key = `${executions.size}`;
        executions.set(key, "");
        const execution = await app.start(buys, key);
        executions.set(key, execution.id);
        await execution.result();
        completed++;
      }
    };
    try {
      await Promise.all([worker.said("ready"), other?.said("ready")]);
      const customers = Promise.all(Array.from({ length: customerCount }, customer));
      const served = async (more: number, withinMs = recoveryMs): Promise<void> => {
        const wanted = completed + more;
        await vi.waitUntil(() => completed >= wanted, { timeout: withinMs });
      };
      await served(20);
      await disturb(served);
      await served(20);
      isOver = true;
      await customers;
      expect(await faultsInOrders(app, world, executions)).toEqual([]);
      expect(worker.hasExited()).toBe(false);
      expect(worker.errors()).not.toContain('"level":"error"');
      worker.tell("stop");
      expect((await worker.exit).code).toBe(0);
    } finally {
      isOver = true;
      worker.kill("SIGKILL");
      other?.kill("SIGKILL");
      await app.stop();
      await world.close();
    }
  }

  it.each(Object.entries(restarts))(
    "goes on within ten seconds after a restart (%s)",
    (_, restart) => atWork(restart),
    60_000,
  );

  it(
    "completes everything once although its connections are ended twice a second",
    () =>
      atWork(async (served) => {
        for (let round = 0; round < 6; round++) {
          await endConnections();
          const next = served(1, deadlineMs + recoveryMs);
          await Promise.all([next, new Promise((resolve) => void setTimeout(resolve, 500))]);
        }
      }),
    180_000,
  );

  it(
    "waits while the server is away, and goes on when it is back",
    () =>
      atWork(async () => {
        await server().stop();
        await new Promise((resolve) => void setTimeout(resolve, 2_000));
        await server().start();
      }),
    60_000,
  );

  it("is replaced by another one while it alone cannot reach the server, and harms nothing when it can again", async () => {
    const proxy = await startLosingProxy(server().url);
    try {
      await atWork(
        async (served) => {
          await proxy.stop();
          // More than were under way: those of the one that is cut off are among them.
          await served(customerCount * 3);
          await proxy.resume();
        },
        (place) => ({
          ...place,
          engine: proxy.through(place.engine),
          far: proxy.through(place.far),
        }),
      );
    } finally {
      await proxy.close();
    }
  }, 60_000);
}
