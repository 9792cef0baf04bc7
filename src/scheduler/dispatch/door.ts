// What executors call: that they are there, that they go, how runs ended; and what programs call about jobs, which is in
// job-calls.ts. Answered after the commit, and idempotent where that can be, since Java's client sends a POST again when a
// connection closes without an answer.
import { stateOfCode } from "../../core/dispatch.ts";
import type { ProtocolGeneration, RunRow } from "../../core/executors.ts";
import type { AdminMethod, Callback, JobMethod } from "../../protocol/xxl-job/center.ts";
import { parseCallbacks, parseRegistration } from "../../protocol/xxl-job/center.ts";
import { withBody } from "../../protocol/xxl-job/fields.ts";
import { type Answer, appnameHeader, failure, success, tokenHeader } from "../../protocol/xxl-job/wire.ts";
import { faultOfAddress } from "./address.ts";
import type { Center } from "./center.ts";
import { answerJobCall, type JobDesk } from "./job-calls.ts";

export interface DoorOptions {
  readonly center: Center;
  readonly jobs: JobDesk;
  /** Whether a token is this group's; false for a group that is not known. In constant time. */
  readonly isTokenOf: (group: string, token: string) => boolean;
  /** Whether a token is that of any group. In constant time. */
  readonly isKnownToken: (token: string) => boolean;
  /** Whether its execution has ended, by a person's word or its own timeout. */
  readonly hasEnded: (run: RunRow) => Promise<boolean>;
  /** Tells the execution how its attempt ended. */
  readonly tell: (run: RunRow) => Promise<void>;
  /** Fetches the last lines of its log. */
  readonly fetchLog: (run: RunRow) => Promise<unknown>;
  /** How long a registration counts. Executors renew every 30 s. */
  readonly registrationMs: number;
}

export interface DoorRequest {
  readonly method: AdminMethod;
  /** Of a header by its lower-case name. */
  readonly header: (name: string) => string | undefined;
  readonly body: string;
}

export type Door = (request: DoorRequest) => Promise<Answer>;

export function createDoor(options: DoorOptions): Door {
  return async ({ method, header, body }) => {
    const caller: Caller = { token: header(tokenHeader) ?? "", appname: header(appnameHeader) };
    switch (method) {
      case "registry":
        return withBody(parseRegistration(body), (it) => register(options, caller, it.group, it.address));
      case "registryRemove":
        return withBody(parseRegistration(body), (it) => unregister(options, caller, it.group, it.address));
      case "callback":
        return withBody(parseCallbacks(body), (callbacks) => hearAll(options, caller, callbacks));
      default:
        return manage(options, caller, method, body);
    }
  };
}

interface Caller {
  readonly token: string;
  /** Only the newest generation says who it is. */
  readonly appname: string | undefined;
}

async function register(options: DoorOptions, caller: Caller, group: string, address: string): Promise<Answer> {
  const fault = faultOfCaller(options, caller, group) ?? faultOfAddress(address);
  if (fault !== null) return failure(`The registration of ${group} is refused: ${fault}`);
  const { executors, namespace } = options.center.options;
  await executors.register({
    ...{ namespace, group, address, source: "registered", leaseMs: options.registrationMs },
    generation: generationOf(caller),
  });
  return success;
}

/** The newest always names itself; older ones never do, and need not be told apart. */
const generationOf = ({ appname }: Caller): ProtocolGeneration | null => (appname === undefined ? null : 4);

async function unregister(options: DoorOptions, caller: Caller, group: string, address: string): Promise<Answer> {
  const fault = faultOfCaller(options, caller, group);
  if (fault !== null) return failure(`The removal from ${group} is refused: ${fault}`);
  const { executors, namespace } = options.center.options;
  await executors.unregister({ namespace, group, address });
  return success;
}

/** Who registers for a group, or reports a run of it, has that group's token; and is who it says. */
function faultOfCaller({ isTokenOf }: DoorOptions, { token, appname }: Caller, group: string): string | null {
  if (!isTokenOf(group, token)) return "expected the access token of a group that this center knows";
  if (appname !== undefined && appname !== group) return `expected the header ${appnameHeader} to name ${group}`;
  return null;
}

/** Who manages jobs says who it is, and has that group's token. */
async function manage(options: DoorOptions, caller: Caller, method: JobMethod, body: string): Promise<Answer> {
  const group = caller.appname ?? "";
  if (group === "") return failure(`${method} is refused: expected the header ${appnameHeader} to name a group`);
  const fault = faultOfCaller(options, caller, group);
  return fault === null ? answerJobCall(options.jobs, method, group, body) : failure(`${method} is refused: ${fault}`);
}

/** All or nothing: refused ones are sent again by the executor, so a single bad one must not be lost among good ones. */
async function hearAll(options: DoorOptions, caller: Caller, callbacks: readonly Callback[]): Promise<Answer> {
  if (!options.isKnownToken(caller.token))
    return failure("The reports are refused: expected the access token of a group");
  const { executors } = options.center.options;
  const runs = await Promise.all(callbacks.map(({ logId }) => executors.find(logId)));
  for (const [at, run] of runs.entries()) {
    const fault = run === null ? null : faultOfCaller(options, caller, run.group);
    if (fault !== null) return failure(`The report of run ${callbacks[at]?.logId} is refused: ${fault}`);
  }
  // A run that is not known was deleted long ago: the executor has nothing left to do about it.
  await Promise.all(runs.map((run, at) => (run === null ? undefined : hear(options, run, callbacks[at] as Callback))));
  return success;
}

async function hear(options: DoorOptions, run: RunRow, { code, message }: Callback): Promise<void> {
  const { center, tell, fetchLog, hasEnded } = options;
  const state = stateOfCode(code);
  // An executor reports what it was told to stop as a failure.
  const isKilled = state === "failed" && run.endedAt === null && (await hasEnded(run));
  await center.end(run, isKilled ? "killed" : state, code, message);
  const endedRun = await center.options.executors.find(run.logId);
  if (endedRun !== null) await tell(endedRun);
  void fetchLog(run).catch(() => undefined);
}
