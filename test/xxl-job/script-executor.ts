// An executor in a process of its own, to be killed. Arguments: the admin, the folder, the port.
import { xxlExecutor } from "../../src/xxl-job.ts";

const [admin = "", folder = "", port = "0"] = process.argv.slice(2);
const executor = xxlExecutor({
  ...{ admins: [admin], appname: "demo", accessToken: "secret", jobs: {}, folder, port: Number(port) },
  ...{ scripts: ["GLUE_SHELL"], stopGrace: "2s" },
  log: { debug() {}, info() {}, warn() {}, error() {} },
});
await executor.start();
console.log(executor.address);
