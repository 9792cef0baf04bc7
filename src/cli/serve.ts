import { once } from "node:events";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { silentLog } from "../core/ports.ts";
import { every, makegood } from "../index.ts";
import { checkGroups, xxlCenter } from "../server/xxl-job-center.ts";
import { asUsage } from "./as-usage.ts";
import { type Command, exitCodes, parseOptions, type Terminal } from "./command.ts";
import { describeStore, readStoreOption, storeAt, storeHelp } from "./store-address.ts";
import { UsageError } from "./usage-error.ts";

const defaults = { store: "makegood.db", port: "8080", host: "127.0.0.1", zone: "UTC" } as const;

export const serveCommand: Command = {
  name: "serve",
  summary: "runs a scheduling center that XXL-JOB executors register with",
  help: `Usage: makegood serve [--port P] [--host H] [--store URL] --xxl-job NAME=TOKEN …

Runs a center until it is told to stop (Ctrl-C, SIGTERM): fires schedules, sends to executors, hears how
runs ended. Any number of centers may share a store. Creates or updates the store's tables first.

  --port P              to listen on. Default ${defaults.port}; 0 takes a free one
  --host H              to listen on. Default ${defaults.host}: this machine alone
  --store URL           ${storeHelp}.
                        Default: ${defaults.store} in the current folder
  --xxl-job NAME=TOKEN  a group of executors (XXL-JOB: appname) and its access token. Repeatable
  --scripts             sends schedules' scripts to executors, and lets programs add jobs that are scripts: whoever
                        may, then runs code there. Default: they are refused
  --zone ZONE           in which cron expressions of jobs are meant that programs add by addJob. Default: UTC
  --help                shows this text

Executors register with http://HOST:PORT or http://HOST:PORT/xxl-job-admin.
`,
  async run(args, terminal) {
    const given = parseOptions(
      args,
      {
        port: { type: "string" },
        host: { type: "string" },
        store: { type: "string" },
        "xxl-job": { type: "string", multiple: true },
        scripts: { type: "boolean", default: false },
        zone: { type: "string", default: defaults.zone },
      },
      "serve",
    );
    const groups = parseGroups(given["xxl-job"] ?? []);
    // Before anything is opened.
    await asUsage(() => {
      every("1s", { zone: given.zone });
      checkGroups(groups, given.scripts, silentLog);
    });
    const address = readStoreOption(given.store ?? defaults.store);
    const store = await storeAt(address);
    await store.migrate();
    const app = makegood({ store });
    const center = xxlCenter({ app, store, groups, scripts: given.scripts, zone: given.zone });
    await app.run();
    center.start();
    const server = createServer((request, response) => {
      if (!center.handle(request, response)) response.writeHead(404).end();
    });
    try {
      await listen(server, parsePort(given.port ?? defaults.port), given.host ?? defaults.host);
      announce(server, describeStore(address), Object.keys(groups), terminal);
      await untilToldToStop();
      terminal.printError("stopping …");
    } finally {
      server.close();
      server.closeAllConnections();
      await center.stop();
      await app.stop();
    }
    return exitCodes.done;
  },
};

function parseGroups(given: readonly string[]): Readonly<Record<string, string>> {
  if (given.length === 0)
    throw new UsageError(
      "serve: expected --xxl-job NAME=TOKEN at least once, found none. See `makegood serve --help`.",
    );
  const groups: Record<string, string> = Object.create(null);
  for (const text of given) {
    const at = text.indexOf("=");
    const [name, token] = [text.slice(0, at), text.slice(at + 1)];
    // The token is a secret: it is not shown.
    if (at < 1 || token === "") throw new UsageError("--xxl-job: expected NAME=TOKEN, found a text of another form.");
    if (name in groups) throw new UsageError(`--xxl-job: expected each group once, found ${name} twice.`);
    groups[name] = token;
  }
  return { ...groups };
}

function parsePort(text: string): number {
  const port = /^\d{1,5}$/.test(text) ? Number(text) : Number.NaN;
  if (port >= 0 && port <= 65_535) return port;
  throw new UsageError(`--port: expected a number from 0 to 65535, found "${text}".`);
}

async function listen(server: Server, port: number, host: string): Promise<void> {
  server.listen(port, host);
  try {
    await once(server, "listening");
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new UsageError(`serve: expected to listen on ${host} port ${port}, found that it cannot: ${reason}.`);
  }
}

function announce(server: Server, store: string, groups: readonly string[], terminal: Terminal): void {
  const { address, port } = server.address() as AddressInfo;
  const host = address.includes(":") ? `[${address}]` : address;
  terminal.print(`makegood center on http://${host}:${port}, store ${store}, groups ${groups.join(", ")}`);
}

async function untilToldToStop(): Promise<void> {
  const stopped = new AbortController();
  const { signal } = stopped;
  await Promise.race([once(process, "SIGINT", { signal }), once(process, "SIGTERM", { signal })]);
  stopped.abort();
}
