/** A test run in miniature, for guarded.test.ts: starts a server that ignores its parent, then waits to be killed. */
import { join } from "node:path";
import { makeFolder, startGuarded } from "./guarded.ts";

const folder = await makeFolder("makegood-guarded-", null);
const pid = await startGuarded({
  command: process.execPath,
  args: ["-e", "setInterval(() => {}, 1000)"],
  env: {},
  folder,
  logFile: join(folder, "server.log"),
  user: null,
  stopSignal: "SIGTERM",
});
process.stdout.write(`${JSON.stringify({ pid, folder })}\n`);
setInterval(() => undefined, 1000);
