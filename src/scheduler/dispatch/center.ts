// What a center does with executors, one small thing at a time: choose one, send to it, hear how it ended. Each is safe to
// repeat after a crash: a run is opened once for its attempt, with the executor chosen for it, before anything is sent; and
// it ends once.
import { jobIdOf, type RunEnd } from "../../core/dispatch.ts";
import { InvariantError, OptionError } from "../../core/errors.ts";
import type { EndedRunState, ExecutorRow, ExecutorStore, RunRow } from "../../core/executors.ts";
import type { Clock, Log, Random } from "../../core/ports.ts";
import { type Md5, route } from "../../core/routing/route.ts";
import { checkScript, type StampedScript } from "../../core/schedule/call-script.ts";
import type { RemoteCall } from "../../core/schedule/definition.ts";
import type { Callee, ExecutorClient, Said } from "./executor-client.ts";

export interface CenterOptions {
  readonly namespace: string;
  readonly executors: ExecutorStore;
  readonly client: ExecutorClient;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly md5: Md5;
  readonly sha256: (text: string) => Uint8Array;
  /** Whether scripts are sent. */
  readonly scripts: boolean;
  /** Whose fire an execution is; null if it was started otherwise. */
  readonly scheduleOf: (executionId: string) => Promise<string | null>;
}

export type WantedExecutors = Pick<RemoteCall, "group" | "addresses">;

type NamedOrder = RemoteCall & { readonly jobId: number };

/** One shard of one attempt. `address`: fixed, for a broadcast. */
export interface Assignment {
  readonly executionId: string;
  /** For routing by key. */
  readonly key: string;
  readonly attempt: number;
  readonly shardIndex: number;
  readonly shardTotal: number;
  readonly address: string | null;
}

export type Sent =
  /** It was taken, or may have been: its end will be heard of. */
  | { readonly kind: "taken"; readonly logId: number; readonly address: string }
  /** It has ended already. */
  | { readonly kind: "ended"; readonly logId: number | null; readonly address: string | null; readonly end: RunEnd };

const maxChoices = 5;

export class Center {
  readonly options: CenterOptions;

  constructor(options: CenterOptions) {
    this.options = options;
  }

  /** Live executors of a group, by address; those alone that were asked for. */
  async liveOf({ group, addresses }: WantedExecutors): Promise<readonly ExecutorRow[]> {
    const { executors, namespace } = this.options;
    const live = (await executors.list({ namespace, group })).filter(({ isLive }) => isLive);
    return addresses === undefined ? live : live.filter(({ address }) => addresses.includes(address));
  }

  /** Sends one attempt, or finds that it was sent before. Throws only what the store throws. */
  async send(given: RemoteCall, assignment: Assignment): Promise<Sent> {
    const before = await this.#opened(assignment);
    if (before !== undefined) return this.#again(given, before);
    const fault = this.#faultOfScript(given);
    if (fault !== null) return refused(null, null, fault);
    const order = await this.#named(given, assignment);
    const chosen = await this.#choose(order, assignment);
    if (typeof chosen === "string") return refused(null, null, chosen);
    const { executors, namespace } = this.options;
    const { executionId, attempt, shardIndex, shardTotal } = assignment;
    const { group, jobId } = order;
    const run = await executors.open({
      ...{ namespace, executionId, attempt, shardIndex, shardTotal, group, handler: knownAs(order), jobId },
      address: chosen.address,
    });
    return this.#trigger(order, run, chosen);
  }

  /** The run ends so, unless it has ended. True if it was this word that ended it. */
  async end(run: Pick<RunRow, "logId">, state: EndedRunState, code: number | null, message: string): Promise<boolean> {
    const outcome = await this.options.executors.end({ logId: run.logId, state, code, message: clipped(message) });
    return outcome === "ended";
  }

  /** Ends a run that took too long, and tells the executor to stop it. Answers how it ended: perhaps otherwise, a moment before. */
  async giveUp(logId: number, end: RunEnd): Promise<RunEnd> {
    const { executors, client } = this.options;
    const isMine = await this.end({ logId }, end.state, end.code, end.message);
    const run = await executors.find(logId);
    if (run === null) return end;
    if (isMine) await client.kill(await this.calleeOf(run), run.jobId);
    return endOf(run);
  }

  async calleeOf({
    group,
    address,
  }: Pick<RunRow, "group" | "address">): Promise<Callee & { readonly isLive: boolean }> {
    const { executors, namespace } = this.options;
    const row = (await executors.list({ namespace, group })).find((it) => it.address === address);
    return { group, address, generation: row?.generation ?? null, isLive: row?.isLive ?? false };
  }

  async #opened({ executionId, attempt, shardIndex }: Assignment): Promise<RunRow | undefined> {
    const runs = await this.options.executors.runsOf(executionId);
    return runs.find((run) => run.attempt === attempt && run.shardIndex === shardIndex);
  }

  /** The process that opened it died, or an answer was lost: what the executor has of it decides. */
  async #again(order: RemoteCall, run: RunRow): Promise<Sent> {
    if (run.endedAt !== null) return { kind: "ended", logId: run.logId, address: run.address, end: endOf(run) };
    if (run.state === "running") return taken(run);
    const callee = await this.calleeOf(run);
    const page = await this.options.client.log(callee, { logId: run.logId, fromLine: 1, openedAt: run.openedAt });
    if (page?.exists === true) {
      await this.options.executors.accept(run.logId);
      return taken(run);
    }
    if (this.#faultOfScript(order) === null) return this.#trigger(order, run, callee);
    // Another center may have sent the script, which need not have logged anything: the keeper finds out.
    return taken(run);
  }

  /** Why it is not sent; null if it may be. Also of a call that no schedule made, which nobody has checked. */
  #faultOfScript({ script }: RemoteCall): string | null {
    if (script === undefined) return null;
    return this.options.scripts ? faultOfScript(script) : unsentScript;
  }

  /** Takes the first that answers the strategy's probe. A text says why there is none. */
  async #named(order: RemoteCall, { executionId }: Assignment): Promise<NamedOrder> {
    const { jobId } = order;
    if (jobId !== undefined) return { ...order, jobId };
    const { scheduleOf, sha256 } = this.options;
    const what = order.script?.source ?? order.handler;
    return { ...order, jobId: jobIdOf((await scheduleOf(executionId)) ?? `${order.group}/${what}`, sha256) };
  }

  async #choose(order: NamedOrder, { key, address }: Assignment): Promise<Callee | string> {
    const live = await this.liveOf(order);
    if (address !== null) return live.find((it) => it.address === address) ?? `executor ${address} is gone`;
    const { executors, namespace, random, md5 } = this.options;
    const of = { namespace, group: order.group, handler: knownAs(order) };
    for (let tried = 0; tried < maxChoices; tried++) {
      const { memory, version } = await executors.memory(of);
      const loads = order.route === "least-loaded" ? await executors.loads({ namespace, group: order.group }) : {};
      const made = route({
        ...{ strategy: order.route, job: String(order.jobId), key, memory, loads, md5 },
        addresses: live.map((it) => it.address),
        random: random.next(),
      });
      const found = await this.#firstThatAnswers(order, made.addresses, made.probe, live);
      if (typeof found === "string" || made.memory === memory) return found;
      if (await executors.remember(of, made.memory, version)) return found;
    }
    // Others choose at the same time, again and again: any one will do.
    return live[0] ?? noExecutor(order);
  }

  async #firstThatAnswers(
    order: NamedOrder,
    addresses: readonly string[],
    probe: "none" | "alive" | "idle",
    live: readonly ExecutorRow[],
  ): Promise<Callee | string> {
    const { group, jobId } = order;
    const refusals: string[] = [];
    for (const address of addresses) {
      const callee = live.find((it) => it.address === address);
      if (callee === undefined) continue;
      if (probe === "none") return callee;
      const { client } = this.options;
      const said = probe === "alive" ? await client.beat(callee) : await client.idleBeat(callee, jobId);
      if (said.kind === "yes") return callee;
      refusals.push(`${address}: ${said.message}`);
    }
    return refusals.length === 0 ? noExecutor(order) : `no executor of group ${group} took it: ${refusals.join("; ")}`;
  }

  async #trigger(order: RemoteCall, run: RunRow, callee: Callee): Promise<Sent> {
    const said = await this.options.client.trigger(callee, {
      jobId: run.jobId,
      logId: run.logId,
      logDateTime: run.openedAt,
      handler: order.handler,
      script: order.script ?? null,
      param: order.param,
      // The center decides about runs that meet, for all executors together; at the executor they queue.
      blockStrategy: "SERIAL_EXECUTION",
      timeoutSeconds: order.timeoutMs === null ? 0 : Math.ceil(order.timeoutMs / 1_000),
      shardIndex: run.shardIndex,
      shardTotal: run.shardTotal,
      executionId: run.executionId,
      attempt: run.attempt,
    });
    return this.#after(run, said);
  }

  async #after(run: RunRow, said: Said): Promise<Sent> {
    switch (said.kind) {
      case "yes":
        await this.options.executors.accept(run.logId);
        return taken(run);
      // It may have arrived: the keeper finds out.
      case "silent":
        this.options.log.warn(
          { logId: run.logId, address: run.address },
          `an executor gave no answer: ${said.message}`,
        );
        return taken(run);
      case "no":
      case "absent":
        await this.end(run, "refused", null, said.message);
        return refused(run.logId, run.address, said.message);
    }
  }
}

const unsentScript =
  "it is a script, and this center sends none: xxlCenter({ scripts: true }) or makegood serve --scripts allows it";

function faultOfScript({ type, source }: StampedScript): string | null {
  try {
    checkScript({ type, source });
    return null;
  } catch (error) {
    if (error instanceof OptionError) return error.message;
    throw error;
  }
}

/** In a run's row and for routing: a script has no name, so the job's number stands for it. */
const knownAs = ({ handler, script, jobId }: NamedOrder): string =>
  script === undefined ? handler : `${script.type} of job ${jobId}`;

/** Of a run that has ended. */
export function endOf({ logId, state, code, message }: RunRow): RunEnd {
  if (state === "sending" || state === "running")
    throw new InvariantError(`Expected run ${logId} to have ended, found it ${state}`, { logId, state });
  return { state, code, message: message ?? "" };
}

const taken = ({ logId, address }: RunRow): Sent => ({ kind: "taken", logId, address });
export const noExecutor = ({ group, addresses }: WantedExecutors): string =>
  addresses === undefined
    ? `no executor of group ${group} is live`
    : `no executor of group ${group} is live at ${addresses.join(" or ")}`;

function refused(logId: number | null, address: string | null, message: string): Sent {
  return { kind: "ended", logId, address, end: { state: "refused", code: null, message } };
}

const maxMessageChars = 15_000;

/** As long as XXL-JOB keeps it, without what a database cannot hold. */
export function clipped(message: string): string {
  const text = message.replaceAll("\u0000", "\ufffd").toWellFormed();
  return text.length <= maxMessageChars ? text : `${text.slice(0, maxMessageChars)}…`;
}
