// Restate: its server, from npm, in a process of its own with its log in the sample's folder; the services in this process,
// called over the server's HTTP ingress. The server's license is the Business Source License: it is measured, never shipped.
import { createServer, type Http2Server, type ServerHttp2Session } from "node:http2";
import { arch, platform } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { createEndpointHandler, service, TerminalError } from "@restatedev/restate-sdk";
import { exitOfGuarded, signalGuarded, startGuarded } from "../../test/services/guarded.ts";
import { findLoopbackPort } from "../../test/services/loopback-port.ts";
import { expectEqual } from "../check.ts";
import type { CaseOptions, Contender, Meter, Place, Sample } from "../contender.ts";
import { keepInFlight, measureRate } from "../measure.ts";
import { post } from "./http-client.ts";
import { atMost, countdown, inFlight, latencyAlone, pickUps, rateAt, until, versionsOf } from "./sampling.ts";

interface Bench {
  readonly ingressUrl: string;
  readonly adminUrl: string;
}

interface OpenBench extends Bench {
  readonly close: () => Promise<void>;
}

type RunInBench = (bench: Bench, options: CaseOptions, meter?: Meter) => Promise<Sample>;

/** At hundreds of workflows and one to two thousand jobs a second. */
const maxWorkflows = 6_000;
const maxJobs = 10_000;

export const contenders: readonly Contender[] = [
  contender("Restate", "2 partitions instead of 24", { RESTATE_DEFAULT_NUM_PARTITIONS: "2" }),
  contender("Restate, defaults", "", {}),
];

/** Called at the start of a job's handler. */
let jobEntered = (): void => undefined;
const undone = { one: 0, two: 0 };

const workflows = service({
  name: "workflows",
  handlers: {
    threeSteps: async (ctx) => {
      const one = await ctx.run("one", () => 1);
      const two = await ctx.run("two", () => one + 1);
      return ctx.run("three", () => two + 1);
    },
    saga: async (ctx) => {
      await ctx.run("one", () => 1);
      await ctx.run("two", () => 2);
      try {
        await ctx.run("three", () => {
          throw new TerminalError("refused");
        });
      } catch {
        await ctx.run("undo-two", () => void undone.two++);
        await ctx.run("undo-one", () => void undone.one++);
        return "undone";
      }
      return "done";
    },
    job: async () => jobEntered(),
  },
});

function contender(name: string, settings: string, env: Readonly<Record<string, string>>): Contender {
  const at =
    (run: RunInBench) =>
    async (place: Place, options: CaseOptions, meter?: Meter): Promise<Sample> => {
      const bench = await open(place, env);
      try {
        return await run(bench, options, meter);
      } finally {
        await bench.close();
      }
    };
  return {
    name,
    needs: "folder",
    settings,
    versions: () => versionsOf("@restatedev/restate-server", "@restatedev/restate-sdk"),
    cases: {
      "steps/256": at(threeStepsMany),
      "steps/1": at(threeStepsAlone),
      "sagas/256": at(sagas),
      "jobs/enqueue-64": at(enqueueOneByOne),
      "jobs/end-to-end-64": at(endToEnd),
      "jobs/pickup-in-process": at(pickUpInProcess),
    },
  };
}

async function threeStepsMany(bench: Bench, options: CaseOptions, meter?: Meter): Promise<Sample> {
  const limited = atMost(options, maxWorkflows);
  const sample = await rateAt(inFlight.workflows, limited, meter, () => runThreeSteps(bench));
  const each = limited.warmUp + limited.count;
  await expectSteps(bench, { one: each, two: each, three: each });
  return sample;
}

async function threeStepsAlone(bench: Bench, options: CaseOptions, meter?: Meter): Promise<Sample> {
  const sample = await latencyAlone(options, meter, () => runThreeSteps(bench));
  const each = options.warmUp + options.count;
  await expectSteps(bench, { one: each, two: each, three: each });
  return sample;
}

async function runThreeSteps(bench: Bench): Promise<void> {
  expectEqual("a workflow's result", await call(bench, "threeSteps"), 3);
}

async function sagas(bench: Bench, options: CaseOptions, meter?: Meter): Promise<Sample> {
  const limited = atMost(options, maxWorkflows);
  const sample = await rateAt(inFlight.workflows, limited, meter, async () =>
    expectEqual("a saga's result", await call(bench, "saga"), "undone"),
  );
  const each = limited.warmUp + limited.count;
  expectEqual("first steps undone", undone.one, each);
  expectEqual("second steps undone", undone.two, each);
  await expectSteps(bench, { one: each, two: each, three: each, "undo-two": each, "undo-one": each });
  return sample;
}

async function enqueueOneByOne(bench: Bench, options: CaseOptions, meter?: Meter): Promise<Sample> {
  const { count, warmUp } = atMost(options, maxJobs);
  const entered = countdown(warmUp + count);
  jobEntered = entered.tick;
  const sample = await rateAt(inFlight.enqueue, { count, warmUp }, meter, () => send(bench, "job"));
  await entered.over;
  await untilAllDone(bench, warmUp + count);
  return sample;
}

async function endToEnd(bench: Bench, options: CaseOptions, meter?: Meter): Promise<Sample> {
  const { count, warmUp } = atMost(options, maxJobs);
  let done = 0;
  const work = async (total: number): Promise<void> => {
    const entered = countdown(total);
    jobEntered = entered.tick;
    await keepInFlight(inFlight.enqueue, total, () => send(bench, "job"));
    await entered.over;
    done += total;
    await untilAllDone(bench, done);
  };
  await work(warmUp);
  return measureRate(count, () => work(count), meter);
}

async function pickUpInProcess(bench: Bench, options: CaseOptions, meter?: Meter): Promise<Sample> {
  const pickUp = pickUps();
  jobEntered = pickUp.entered;
  const sample = await pickUp.measure(options, meter, () => send(bench, "job"));
  await untilAllDone(bench, options.warmUp + options.count);
  return sample;
}

// ── Over the ingress and the admin interface ───────────────────────────────────────────────────────────────────────────

function call({ ingressUrl }: Bench, handler: string): Promise<unknown> {
  return ask(`${ingressUrl}/workflows/${handler}`);
}

/** Settles when the server has stored the invocation. */
function send({ ingressUrl }: Bench, handler: string): Promise<unknown> {
  return ask(`${ingressUrl}/workflows/${handler}/send`);
}

async function ask(url: string, body?: unknown): Promise<unknown> {
  const { status, text } = await post(url, body);
  if (status >= 300) throw new Error(`Expected ${url} to succeed, found ${status}: ${text}`);
  return text === "" ? undefined : JSON.parse(text);
}

type Row = Readonly<Record<string, unknown>>;

async function query({ adminUrl }: Bench, sql: string): Promise<readonly Row[]> {
  const { rows } = (await ask(`${adminUrl}/query`, { query: sql })) as { readonly rows: readonly Row[] };
  return rows;
}

/** What the server keeps of invocations after their end, for a day by default, says how they ended. */
async function untilAllDone(bench: Bench, invocations: number): Promise<void> {
  await until(`${invocations} invocations to be completed`, async () => {
    const [row] = await query(bench, "SELECT count(*) AS n FROM sys_invocation WHERE completion_result = 'success'");
    return row?.["n"] === invocations;
  });
}

/** Each step was recorded so many times. */
async function expectSteps(bench: Bench, expected: Readonly<Record<string, number>>): Promise<void> {
  const rows = await query(
    bench,
    "SELECT name, count(*) AS n FROM sys_journal WHERE entry_type = 'Command: Run' GROUP BY name",
  );
  const found = new Map(rows.map(({ name, n }) => [name, n]));
  for (const [name, times] of Object.entries(expected)) expectEqual(`records of ${name}`, found.get(name), times);
}

// ── Server and endpoint ────────────────────────────────────────────────────────────────────────────────────────────────

async function open(place: Place, env: Readonly<Record<string, string>>): Promise<OpenBench> {
  const endpoint = await openEndpoint();
  const server = await startServer(place, env);
  try {
    await ask(`${server.adminUrl}/deployments`, { uri: endpoint.url });
  } catch (error) {
    await server.close();
    await endpoint.close();
    throw error;
  }
  return {
    ...server,
    close: async () => {
      await server.close();
      await endpoint.close();
    },
  };
}

async function openEndpoint(): Promise<{ readonly url: string; readonly close: () => Promise<void> }> {
  const handler = createEndpointHandler({ services: [workflows], logger: () => undefined });
  const server: Http2Server = createServer(handler);
  const sessions = new Set<ServerHttp2Session>();
  server.on("session", (session) => {
    sessions.add(session);
    session.once("close", () => sessions.delete(session));
  });
  const port = await findLoopbackPort();
  await new Promise<void>((settle) => server.listen(port, "127.0.0.1", settle));
  return {
    url: `http://127.0.0.1:${port}`,
    close: async () => {
      for (const session of sessions) session.destroy();
      await new Promise((settle) => server.close(settle));
    },
  };
}

async function startServer(place: Place, env: Readonly<Record<string, string>>): Promise<OpenBench> {
  const [ingress, admin, node] = [await findLoopbackPort(), await findLoopbackPort(), await findLoopbackPort()];
  const name = `restate-server-${platform()}-${arch()}`;
  const pid = await startGuarded({
    command: fileURLToPath(new URL(`../node_modules/@restatedev/${name}/bin/restate-server`, import.meta.url)),
    args: ["--base-dir", join(place.folder, "restate"), "--node-name", "bench"],
    env: {
      RESTATE_LISTEN_MODE: "tcp",
      RESTATE_BIND_IP: "127.0.0.1",
      RESTATE_BIND_PORT: String(node),
      RESTATE_ADVERTISED_HOST: "127.0.0.1",
      RESTATE_INGRESS__BIND_PORT: String(ingress),
      RESTATE_ADMIN__BIND_PORT: String(admin),
      RESTATE_DISABLE_TELEMETRY: "true",
      RESTATE_LOG_FILTER: "warn",
      DO_NOT_TRACK: "1",
      ...env,
    },
    folder: place.folder,
    logFile: join(place.folder, "restate.log"),
    user: null,
    stopSignal: "SIGTERM",
  });
  const adminUrl = `http://127.0.0.1:${admin}`;
  const ingressUrl = `http://127.0.0.1:${ingress}`;
  await until(
    "Restate to answer",
    async () => (await isHealthy(`${adminUrl}/health`)) && isHealthy(`${ingressUrl}/restate/health`),
  );
  return {
    adminUrl,
    ingressUrl,
    close: async () => {
      await signalGuarded(pid, "SIGTERM");
      await exitOfGuarded(pid);
    },
  };
}

async function isHealthy(url: string): Promise<boolean> {
  return fetch(url).then(
    (response) => response.ok,
    () => false,
  );
}
