// Looks after runs that have not ended: fetches what they log, and finds those that nobody will ever report. Any number of
// centers do; each run is given to one of them at a time.
//
//   its execution has ended         it was killed, canceled or timed out here: the executor is told to stop it
//   its executor is gone            its registration ran out, and nobody answers: lost
//   its executor knows nothing      it answers, and says that nothing of this job runs there, twice, with a pause between:
//                                   it was restarted, or dropped the run; its report, if there is one, comes within that pause
import type { RunRow } from "../../core/executors.ts";
import { type Center, clipped } from "./center.ts";
import type { Callee } from "./executor-client.ts";

export interface KeeperOptions {
  readonly center: Center;
  /** Whether its execution has ended, or is gone. */
  readonly hasEnded: (run: RunRow) => Promise<boolean>;
  /** Tells the execution how its attempt ended. */
  readonly tell: (run: RunRow) => Promise<void>;
  /** Between two looks at one run. */
  readonly everyMs: number;
  /** Without a sign of life, before a run is given up. */
  readonly lostAfterMs: number;
}

const maxRunsAtOnce = 64;
const maxLogLines = 20_000;
const maxLogPages = 20;

export class Keeper {
  readonly #options: KeeperOptions;
  /** Since when an executor has denied a run, by its number. */
  readonly #deniedSince = new Map<number, number>();

  constructor(options: KeeperOptions) {
    this.#options = options;
  }

  /** One round over all that are due. */
  async look(): Promise<void> {
    const { center, everyMs } = this.#options;
    const { executors, namespace } = center.options;
    for (;;) {
      const runs = await executors.takeOpen({ namespace, olderThanMs: everyMs, limit: maxRunsAtOnce });
      await Promise.all(runs.map((run) => this.#lookAfter(run)));
      if (runs.length < maxRunsAtOnce) return;
    }
  }

  /** Fetches what is new of a run's log. Also after its end, for the last lines. */
  async fetchLog(run: RunRow): Promise<boolean> {
    const { center } = this.#options;
    const { executors, client } = center.options;
    const callee = await center.calleeOf(run);
    let known = run.logLines;
    for (let page = 0; page < maxLogPages; page++) {
      const read = await client.log(callee, { logId: run.logId, fromLine: known + 1, openedAt: run.openedAt });
      if (read === null) return false;
      if (read.lines.length === 0 || known >= maxLogLines) return true;
      const lines = read.lines.slice(0, maxLogLines - known).map(clipped);
      if (known + lines.length === maxLogLines)
        lines[lines.length - 1] = "… the rest of this log is kept by the executor";
      known = await executors.appendLog({ logId: run.logId, fromLine: known + 1, lines });
    }
    return true;
  }

  async #lookAfter(run: RunRow): Promise<void> {
    const { center, hasEnded } = this.#options;
    try {
      if (await hasEnded(run)) return await this.#stop(run);
      const answers = await this.fetchLog(run);
      const callee = await center.calleeOf(run);
      if (await this.#isLost(run, callee, answers)) await this.#lose(run);
    } catch (error) {
      center.options.log.warn({ err: error, logId: run.logId }, "a run could not be looked after; trying again");
    }
  }

  async #stop(run: RunRow): Promise<void> {
    const { center } = this.#options;
    await center.options.client.kill(await center.calleeOf(run), run.jobId);
    await this.fetchLog(run);
    await center.end(run, "killed", null, "its execution has ended");
  }

  async #isLost(run: RunRow, callee: Callee & { readonly isLive: boolean }, answers: boolean): Promise<boolean> {
    const { center, lostAfterMs } = this.#options;
    const isDenied = answers ? await this.#isDenied(run, callee) : !callee.isLive;
    if (!isDenied) {
      this.#deniedSince.delete(run.logId);
      return false;
    }
    const nowMs = center.options.clock.monotonicMs();
    const since = this.#deniedSince.get(run.logId) ?? nowMs;
    this.#deniedSince.set(run.logId, since);
    return nowMs - since >= lostAfterMs;
  }

  async #isDenied(run: RunRow, callee: Callee): Promise<boolean> {
    return (await this.#options.center.options.client.idleBeat(callee, run.jobId)).kind === "yes";
  }

  async #lose(run: RunRow): Promise<void> {
    this.#deniedSince.delete(run.logId);
    const message = `executor ${run.address} no longer knows of this run, and never told how it ended`;
    const { center, tell } = this.#options;
    await center.end(run, "lost", null, message);
    const endedRun = await center.options.executors.find(run.logId);
    if (endedRun !== null) await tell(endedRun);
  }
}
