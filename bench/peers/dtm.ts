// DTM, a coordinator of sagas: its server in a process of its own, with its embedded store or on PostgreSQL; the services that
// it calls in this process, over HTTP on loopback. A saga counts when its submission is answered, which is asked to wait for
// the end (`wait_result`). Left out where there is no Go to build the server with.
import { createServer, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { Pool } from "pg";
import { expectEqual } from "../check.ts";
import type { CaseOptions, Contender, Meter, Place, Sample } from "../contender.ts";
import { keepInFlight, measureRate } from "../measure.ts";
import { buildDtm, canBuildDtm, type DtmServer, dtmTables, dtmVersions, startDtm } from "./dtm-server.ts";
import { post } from "./http-client.ts";
import { atMost, inFlight, until } from "./sampling.ts";

/** What is called by DTM, by path. */
type Calls = Map<string, number>;

const maxSagas = 3_000;
const pageSize = 1_000;
/** Below what PostgreSQL allows; DTM's default is 500. */
const maxConnections = 64;

export const contenders: readonly Contender[] = canBuildDtm() ? allContenders() : leaveOut();

function allContenders(): readonly Contender[] {
  const pool = `Store.MaxOpenConns and MaxIdleConns ${maxConnections}`;
  return [
    contender("DTM, boltdb", "folder", "", {}),
    contender("DTM, PostgreSQL", "postgres", `UpdateBranchSync 1, ${pool}`, { UPDATE_BRANCH_SYNC: "1" }),
    contender("DTM, PostgreSQL, defaults", "postgres", `${pool}; steps are recorded later, in batches`, {}),
  ];
}

function leaveOut(): readonly Contender[] {
  process.stderr.write("!!! LEFT OUT: DTM: there is no go on PATH to build its server with.\n");
  return [];
}

function contender(
  name: string,
  needs: "folder" | "postgres",
  settings: string,
  env: Readonly<Record<string, string>>,
): Contender {
  return {
    name,
    needs,
    settings,
    versions: () => dtmVersions,
    cases: {
      "sagas/256": async (place, options, meter) => {
        buildDtm();
        const store = needs === "postgres" ? await preparePostgres(place) : { STORE_DRIVER: "boltdb" };
        const server = await startDtm(place.folder, { ...store, ...env });
        try {
          return await sagas(server, atMost(options, maxSagas), meter);
        } finally {
          await server.close();
        }
      },
    },
  };
}

async function sagas(server: DtmServer, { count, warmUp }: CaseOptions, meter?: Meter): Promise<Sample> {
  const services = await openServices();
  try {
    const run = (n: number): Promise<void> => submit(server, services.url, n);
    await keepInFlight(inFlight.workflows, warmUp, run);
    const work = async (): Promise<void> => {
      await keepInFlight(inFlight.workflows, count, (n) => run(warmUp + n));
      await untilAllFailed(server, warmUp + count);
    };
    const sample = await measureRate(count, work, meter);
    for (const path of ["/one", "/two", "/three", "/undo-two", "/undo-one"])
      expectEqual(`calls of ${path}`, services.calls.get(path), warmUp + count);
    return sample;
  } finally {
    await services.close();
  }
}

async function submit(server: DtmServer, servicesUrl: string, n: number): Promise<void> {
  const { status } = await post(`${server.url}/api/dtmsvr/submit`, {
    // No id may be the start of another: the embedded store would mix up their steps.
    gid: `saga-${String(n).padStart(8, "0")}-`,
    trans_type: "saga",
    steps: [
      { action: `${servicesUrl}/one`, compensate: `${servicesUrl}/undo-one` },
      { action: `${servicesUrl}/two`, compensate: `${servicesUrl}/undo-two` },
      { action: `${servicesUrl}/three`, compensate: "" },
    ],
    payloads: ["{}", "{}", "{}"],
    wait_result: true,
  });
  expectEqual("the answer's status", status, 409);
}

/** A saga that was undone has the status `failed`. */
async function untilAllFailed(server: DtmServer, sagas: number): Promise<void> {
  await until(`${sagas} sagas to be undone`, async () => (await countFailed(server)) === sagas);
}

async function countFailed(server: DtmServer): Promise<number> {
  let [found, position] = [0, ""];
  do {
    const query = new URLSearchParams({ status: "failed", limit: String(pageSize), position });
    const response = await fetch(`${server.url}/api/dtmsvr/all?${query}`);
    const page = (await response.json()) as { readonly transactions: unknown[] | null; readonly next_position: string };
    found += page.transactions?.length ?? 0;
    position = page.next_position;
  } while (position !== "");
  return found;
}

// ── What it needs ──────────────────────────────────────────────────────────────────────────────────────────────────────

/** The steps of the saga and what undoes them: all succeed but the third, which refuses. */
async function openServices(): Promise<{
  readonly url: string;
  readonly calls: Calls;
  readonly close: () => Promise<void>;
}> {
  const calls: Calls = new Map();
  const server = createServer((request, response) => {
    const { pathname } = new URL(request.url ?? "/", "http://127.0.0.1");
    calls.set(pathname, (calls.get(pathname) ?? 0) + 1);
    request.resume();
    if (pathname === "/three") answer(response, 409, { dtm_result: "FAILURE" });
    else answer(response, 200, { dtm_result: "SUCCESS" });
  });
  await new Promise<void>((settle) => server.listen(0, "127.0.0.1", settle));
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}`,
    calls,
    close: async () => {
      server.closeAllConnections();
      await new Promise((settle) => server.close(settle));
    },
  };
}

function answer(response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(body));
}

async function preparePostgres(place: Place): Promise<Readonly<Record<string, string>>> {
  const pool = new Pool({ connectionString: place.url, max: 1 });
  await pool.query(dtmTables());
  await pool.end();
  const { hostname, port, pathname, username, password } = new URL(place.url);
  return {
    STORE_DRIVER: "postgres",
    STORE_HOST: hostname,
    STORE_PORT: port,
    STORE_USER: decodeURIComponent(username),
    STORE_PASSWORD: decodeURIComponent(password),
    STORE_DB: pathname.slice(1),
    STORE_MAX_OPEN_CONNS: String(maxConnections),
    STORE_MAX_IDLE_CONNS: String(maxConnections),
  };
}
