// An executor under an XXL-JOB admin, 2.3 to 3.5, with three handlers. Create them in the admin as BEAN jobs of an executor
// that has the same AppName and registers by itself:
//
//     demoJobHandler    appends "logId, param, shard/shards" to a file: once for each logId, whatever dies meanwhile
//     sleepJobHandler   sleeps for as many seconds as its param says; stops early when killed
//     failJobHandler    fails
//
//     npm install makegood zod
//     node xxl-executor.ts --admin http://127.0.0.1:8080/xxl-job-admin --appname demo --token T --port 9999 --effects effects.txt
import { appendFileSync, closeSync, existsSync, fsyncSync, mkdirSync, openSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { CodedError, job, makegood, NonRetryableError } from "makegood";
import { sqlite } from "makegood/sqlite";
import { xxlExecutor, xxlHandler } from "makegood/xxl-job";
import * as z from "zod";

const usage = `Usage: xxl-executor --admin URL[,URL] --appname NAME --effects FILE [OPTION…]

  --admin URL[,URL]   roots of the admin's nodes
  --appname NAME      the executor's AppName in the admin
  --effects FILE      where demoJobHandler leaves its lines
  --token TOKEN       the access token; without it none is asked for
  --port PORT         default 9999; 0 takes a free one
  --host HOST         where to listen, default 127.0.0.1
  --address URL       what the admin is told to call, default http://HOST:PORT/
  --folder FOLDER     what must survive a crash, default FILE.executor-PORT`;

const options = readOptions();
const { effects, folder } = options;

// ── The handlers: two jobs of the engine, which survive the process at any point, and a plain function ────────────────

const Demo = z.object({ logId: z.int(), param: z.string(), shard: z.string() });
const demo = job("demo", { input: Demo }, async (ctx, { logId, param, shard }) => {
  ctx.log.info({}, `begins with param ${JSON.stringify(param)}, shard ${shard}`);
  const line = [logId, param.replaceAll(/\r?\n/g, "\\n"), shard].join("\t");
  await ctx.step("append", { run: () => appendOnce(effects, line), effect: "natural" });
  ctx.log.info({}, `the line of run ${logId} is in the file`);
  await ctx.sleep("rest", "200ms");
  ctx.log.info({}, "ends");
  return line;
});

const nap = job("sleep", { input: z.object({ seconds: z.string() }) }, async (ctx, { seconds }) => {
  const ms = Math.round(Number(seconds) * 1_000);
  if (seconds.trim() === "" || !(ms >= 0))
    throw new NonRetryableError(`expected a number of seconds as param, found ${JSON.stringify(seconds)}`);
  ctx.log.info({}, `sleeps for ${seconds} s`);
  await ctx.sleep("sleep", ms);
  return `slept for ${seconds} s`;
});

// The folder is this process's alone, whatever its port: the next one takes over from it at once.
const app = makegood({ store: sqlite(join(folder, "engine.db")), workerName: "xxl-executor" });
app.register(demo, nap);

const jobs = {
  demoJobHandler: xxlHandler(demo, ({ logId, param, shardIndex, shardTotal }) => ({
    logId,
    param,
    shard: `${shardIndex}/${shardTotal}`,
  })),
  sleepJobHandler: xxlHandler(nap, ({ param }) => ({ seconds: param })),
  failJobHandler: xxlHandler(() => {
    throw new Error("refused on purpose");
  }),
};

/** After a crash the step may run again: the line that is there already is left alone. */
function appendOnce(file: string, line: string): void {
  if (existsSync(file) && readFileSync(file, "utf8").split("\n").includes(line)) return;
  const descriptor = openSync(file, "a");
  appendFileSync(descriptor, `${line}\n`);
  fsyncSync(descriptor);
  closeSync(descriptor);
}

// ── The process ───────────────────────────────────────────────────────────────────────────────────────────────────────

const executor = await start();

// A process group gets a signal more than once: the first counts.
let isStopping = false;
const stop = async () => {
  if (isStopping) return;
  isStopping = true;
  await executor.stop({ grace: "5s" });
  await app.stop();
  process.exit(0);
};
for (const signal of ["SIGINT", "SIGTERM"] as const) process.on(signal, stop);
console.log(`xxl-executor ${options.executor.appname} listens on ${executor.address}`);

async function start() {
  try {
    mkdirSync(folder, { recursive: true });
    const executor = xxlExecutor({ ...options.executor, jobs });
    await executor.start(app);
    await app.run();
    return executor;
  } catch (error) {
    if (!(error instanceof CodedError)) throw error;
    return end(1, `${error.code}: ${error.message}`);
  }
}

function readOptions() {
  try {
    const { values } = parseArgs({
      options: {
        admin: { type: "string" },
        appname: { type: "string" },
        effects: { type: "string" },
        token: { type: "string", default: "" },
        port: { type: "string", default: "9999" },
        host: { type: "string", default: "127.0.0.1" },
        address: { type: "string" },
        folder: { type: "string" },
        help: { type: "boolean" },
      },
    });
    if (values.help === true) end(0, usage);
    const { admin, appname, effects, token, port, host, address } = values;
    if (admin === undefined || appname === undefined || effects === undefined)
      return end(2, `expected --admin, --appname and --effects.\n\n${usage}`);
    if (!/^\d{1,5}$/.test(port))
      return end(2, `--port: expected a number from 0 to 65535, found ${JSON.stringify(port)}.`);
    const folder = values.folder ?? `${effects}.executor-${port}`;
    const admins = admin.split(",");
    const known = { admins, appname, accessToken: token, host, port: Number(port), folder };
    return { effects, port, folder, executor: address === undefined ? known : { ...known, address } };
  } catch (error) {
    return end(2, `${error instanceof Error ? error.message : error}\n\n${usage}`);
  }
}

function end(code: number, message: string): never {
  (code === 0 ? process.stdout : process.stderr).write(`${code === 0 ? "" : "xxl-executor: "}${message}\n`);
  process.exit(code);
}
