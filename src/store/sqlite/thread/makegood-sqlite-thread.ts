// The program of the thread: the store as it is, answering calls in the order in which they come.
import { availableParallelism } from "node:os";
import { parentPort, receiveMessageOnPort, workerData } from "node:worker_threads";
import { InvariantError } from "../../../core/errors.ts";
import { inThread } from "../in-thread.ts";
import type { Answer, Call, NumberedCall, ThreadSettings } from "./calls.ts";
import { toSent } from "./sent-error.ts";
import { packOutcomes, unpackCommit } from "./wire.ts";

if (parentPort === null) throw new InvariantError("Expected to be run as a thread by sqlite(), found no parent");
const port = parentPort;
const store = inThread(workerData as ThreadSettings);
const underWay = new Set<Promise<void>>();

/**
 * How long the thread looks for the next call after a commit before it sleeps. Of a job alone the next write comes within
 * that time, and waking a thread takes longer: 1.1 ms for three steps instead of 1.35, for no more CPU (2 cores, November 2026).
 */
const lookoutMs = availableParallelism() > 1 ? 0.1 : 0;
let isLookingOut = false;

port.on("message", take);

function take({ number, call }: NumberedCall): void {
  const answered = answer(number, call);
  underWay.add(answered);
  void answered.finally(() => {
    underWay.delete(answered);
    if (call.name === "close") port.close();
    else if (call.name === "commit" && underWay.size === 0) lookOut();
  });
}

/** Not while a call waits for another writer: its timer would wait as long as there are calls. */
function lookOut(): void {
  if (isLookingOut) return;
  isLookingOut = true;
  const until = performance.now() + lookoutMs;
  let next = receiveMessageOnPort(port);
  while (next === undefined && performance.now() < until) next = receiveMessageOnPort(port);
  isLookingOut = false;
  if (next !== undefined) take(next.message as NumberedCall);
}

async function answer(number: number, call: Call): Promise<void> {
  let answer: Answer;
  try {
    answer = { number, value: await carryOut(call) };
  } catch (error) {
    answer = { number, error: toSent(error) };
  }
  port.postMessage(answer);
}

async function carryOut(call: Call): Promise<unknown> {
  switch (call.name) {
    case "commit": {
      const { starts, writes } = unpackCommit(call.packed);
      return packOutcomes(await store.executions.commit(starts, writes));
    }
    case "open":
      await store.open();
      return store.own.identity;
    case "migrate":
      return store.migrate();
    case "close": {
      const others = [...underWay];
      await store.close();
      // Those that wait for another writer see at their next try that it is closed.
      await Promise.all(others);
      return undefined;
    }
    default: {
      const room = store[call.name] as unknown as Record<string, (...values: readonly unknown[]) => Promise<unknown>>;
      return room[call.method]?.(...call.values);
    }
  }
}
