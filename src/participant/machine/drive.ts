// A machine that drives itself: a state names the job that does its work. Entering the state starts that job in the
// transaction of the move, so neither is without the other after a crash; where the participant is not in the engine's own
// database, what is written there is a message, which a relay brings to the engine. The job itself runs as the child of a
// small one of ours, which waits for its end and then sends the event, in a transaction of the participant's.
//
// Each entering of a state is a row of the history with a number of its own. The number is in the key of what is started,
// so once an entering; and the event is sent only while no later move of that row is there, so a state that was left and
// entered again is not moved on by the work of the first time.
import { job as defineJob } from "../../core/define.ts";
import { isCodedError, NonRetryableError, OptionError } from "../../core/errors.ts";
import type { AnyJob, Context } from "../../core/job.ts";
import type { Edge, Graph } from "../../core/machine/graph.ts";
import type { StateWork } from "../../core/machine/spec.ts";
import type { Awaitable, Mode, Participant } from "../../core/participant.ts";
import type { Script } from "../../core/script.ts";
import type { RowId } from "../parse-row.ts";
import { ask, type Work } from "../work.ts";
import type { Request } from "./moving.ts";
import type { MachineSql } from "./sql.ts";
import type { MoveResult } from "./types.ts";

/** What a machine needs of the app. */
export interface MachineApp {
  register(...jobs: readonly AnyJob[]): void;
  // biome-ignore lint/suspicious/noExplicitAny: a participant of any transaction type and mode
  startScripts(participant: Participant<any, any>): Promise<(job: AnyJob, input: unknown) => Script<void>>;
}

export interface Driver {
  drive(app: MachineApp): Promise<void>;
  entered(edge: Edge, id: RowId, seq: number): Work<void>;
}

/** What was entered. */
interface Entering {
  readonly id: RowId;
  readonly seq: number;
  /** Of the state's job. */
  readonly input: unknown;
}

type Send<Tx> = (tx: Tx, request: Request) => Awaitable<MoveResult<string>>;

export function createDriver<Tx, M extends Mode>(
  on: Participant<Tx, M>,
  graph: Graph,
  sql: MachineSql,
  send: Send<Tx>,
): Driver {
  let start: ((job: AnyJob, input: unknown) => Script<void>) | null = null;
  const jobs = new Map([...graph.works].map(([state, work]) => [state, jobOf(on, graph, state, work, send)]));
  return {
    async drive(app) {
      app.register(...jobs.values(), ...new Set([...graph.works.values()].map((work) => work.job)));
      start = await app.startScripts(on);
    },
    *entered({ to }, id, seq) {
      const work = graph.works.get(to);
      const job = jobs.get(to);
      if (work === undefined || job === undefined) return;
      if (start === null)
        throw new OptionError(
          "drive",
          `machine ${graph.name}: state ${to} has work, and nothing would do it; await machine.drive(app) before rows are moved`,
        );
      const found = yield* ask(sql.lock(id, true));
      if (found === null) return;
      yield* ask(start(job, { id, seq, input: work.input(found.row) } satisfies Entering));
    },
  };
}

function jobOf<Tx, M extends Mode>(
  on: Participant<Tx, M>,
  graph: Graph,
  state: string,
  work: StateWork,
  send: Send<Tx>,
): AnyJob {
  const key = ({ id, seq }: Entering): string => `${id}:${seq}`;
  // What ends here otherwise leaves a row in a state that nothing leads it out of: that needs a person, so it parks.
  return defineJob<Entering, Entering, string>(
    `machine/${graph.name}/${state}`,
    { key, onFailure: "park" },
    async (ctx, entering) => {
      const event = await eventOf(ctx, work, entering.input);
      const request: Request = {
        id: entering.id,
        state,
        version: undefined,
        event,
        eventId: ctx.executionId,
        by: `job ${work.job.name}`,
        reason: null,
        payload: undefined,
        set: {},
        since: entering.seq,
      };
      const result = await sendIn(ctx, on, (tx) => send(tx, request));
      if (result === "illegal" || result === "guarded")
        throw new NonRetryableError(
          `machine ${graph.name}: row ${entering.id} refused ${event}, the end of its work in ${state}: ${result}`,
        );
      return result;
    },
  );
}

/** The event that the end of the job makes. Throws where it is left to a person. */
async function eventOf(ctx: Context, work: StateWork, input: unknown): Promise<string> {
  const child = await ctx.start(work.job, input);
  try {
    await child.result();
    return work.done;
  } catch (error) {
    if (work.failed === undefined || !isCodedError(error) || error.code !== "CHILD_FAILED") throw error;
    return work.failed;
  }
}

/** `stale` and `missing`: the row has left the state meanwhile, and takes nothing from its work any more. */
async function sendIn<Tx, M extends Mode>(
  ctx: Context,
  on: Participant<Tx, M>,
  send: (tx: Tx) => Awaitable<MoveResult<string>>,
): Promise<string> {
  const run = (tx: Tx): Awaitable<string> => {
    const result = send(tx);
    return isPromise(result) ? result.then(({ kind }) => kind) : result.kind;
  };
  const step = { run, irreversible: "the row has moved on" };
  return (await ctx.tx(on as never, "send", step as never)) as unknown as string;
}

function isPromise<T>(value: Awaitable<T>): value is PromiseLike<T> {
  return typeof value === "object" && value !== null && "then" in value;
}
