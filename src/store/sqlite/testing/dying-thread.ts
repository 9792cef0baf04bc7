// The thread's program, for tests: it dies at the start of an execution of the job that says so.
import { parentPort, threadId } from "node:worker_threads";
import { InvariantError } from "../../../core/errors.ts";
import type { NumberedCall } from "../thread/calls.ts";

let fate: "before" | "after" | null = null;

parentPort?.on("message", ({ call }: NumberedCall) => {
  if (call.name !== "commit") return;
  if (call.packed.values.includes("die before")) process.exit(7);
  if (call.packed.values.includes("throw")) throw new InvariantError(`thread ${threadId} fails`);
  if (call.packed.values.includes("die after")) fate = "after";
});
// Listeners are called in the order in which they were added.
await import("../thread/makegood-sqlite-thread.ts");

const port = parentPort;
if (port !== null) {
  const { postMessage } = port;
  port.postMessage = (...message: Parameters<typeof postMessage>) =>
    fate === "after" ? process.exit(7) : postMessage.apply(port, message);
}
