// Executions as lists show them: one line each, with what it came to. What an executor ran is told by its runs.

import { dispatchJobName } from "../core/dispatch.ts";
import type { StoredError } from "../core/errors.ts";
import { isTerminal, type ShownState } from "../core/execution.ts";
import type { RunRow } from "../core/executors.ts";
import { checkOptions } from "../core/options.ts";
import { redacted } from "../core/redact.ts";
import type { Ending } from "./engagements.ts";
import type { ListRequest, Reader, ShownRow } from "./reader.ts";
import type { Session } from "./session.ts";

/** Times are epoch ms. */
export interface ShownExecution {
  readonly id: string;
  readonly job: string;
  readonly key: string | null;
  readonly state: ShownState;
  /** How often it was taken up: by workers, or sent to executors. */
  readonly attempt: number;
  /** The address of the executor that ran it last; of a job that workers run, the worker that has it. */
  readonly executor: string | null;
  readonly schedule: string | null;
  /** The planned time of the fire; without a schedule when it was started. */
  readonly scheduledAt: number;
  /** When it was started; on an executor, when that took it up first. */
  readonly startedAt: number;
  readonly finishedAt: number | null;
  /** Of one that completed. `[redacted]` where the job is not registered here, or marks places that nobody may see. */
  readonly result?: unknown;
  readonly error?: StoredError | null;
}

export interface LogLine {
  readonly at: number | null;
  /** `journal`, `attempt`, `audit`, `incident`, or the executor's address. */
  readonly source: string;
  readonly text: string;
}

export interface LogRequest {
  /** Only lines that hold this text, whatever the case of its letters. */
  readonly search?: string;
}

const logPage = 1_000;

export class ShownExecutions {
  readonly #session: Session;
  readonly #reader: Reader;

  constructor(session: Session, reader: Reader) {
    this.#session = session;
    this.#reader = reader;
  }

  /** Newest first. */
  async list(request: ListRequest): Promise<readonly ShownExecution[]> {
    const rows = await this.#reader.list(request);
    const ended = rows.filter(({ status }) => isTerminal(status)).map(({ id }) => id);
    const endings = await this.#session.insist(() => this.#session.env.store.reads.outcomes(ended));
    return Promise.all(rows.map(async (row) => this.#shown(row, endings.get(row.id), await this.#runsOf(row))));
  }

  /** What happened to it, in order, then what its executors wrote. Throws EXECUTION_UNKNOWN, OPTION_INVALID. */
  async log(id: string, request: LogRequest = {}): Promise<readonly LogLine[]> {
    checkOptions(request, ["search"], "log");
    const wanted = (request.search ?? "").toLowerCase();
    return (await this.#log(id)).filter(({ text }) => text.toLowerCase().includes(wanted));
  }

  async #log(id: string): Promise<readonly LogLine[]> {
    const { execution, startedBy, journal, attempts, audit, incidents } = await this.#reader.history(id);
    const by = startedBy === null ? "" : ` by ${startedBy.kind} ${startedBy.id}`;
    const lines: LogLine[] = [
      {
        ...{ at: execution.createdAt, source: "journal" },
        text: `started ${execution.job} version ${execution.version}${by}`,
      },
      ...journal.map(({ at, step, role, state, error }) => ({
        ...{ at, source: "journal" },
        text: `${role} ${step}: ${state}${error == null ? "" : `, ${error.code}: ${error.message}`}`,
      })),
      ...attempts.map(({ at, step, role, attempt, error }) => ({
        ...{ at, source: "attempt" },
        text: `${role} ${step}: attempt ${attempt} failed${error === null ? "" : `, ${error.code}: ${error.message}`}`,
      })),
      ...audit.map(({ at, verb, actor, note }) => ({
        ...{ at, source: "audit" },
        text: `${verb} by ${actor.kind} ${actor.id}${note === null ? "" : `: ${note}`}`,
      })),
      ...incidents.map(({ openedAt, code, step }) => ({
        ...{ at: openedAt, source: "incident" },
        text: `${code}${step === null ? "" : ` in ${step}`}`,
      })),
      ...(execution.endedAt === null
        ? []
        : [{ at: execution.endedAt, source: "journal", text: `ended: ${execution.state}` }]),
    ];
    const ofExecutors = await Promise.all((await this.#runsOf(execution)).map((run) => this.#linesOf(run)));
    return [...lines.toSorted((a, b) => (a.at ?? 0) - (b.at ?? 0)), ...ofExecutors.flat()];
  }

  #runsOf({ id, job }: ShownRow): Promise<readonly RunRow[]> {
    if (job !== dispatchJobName) return Promise.resolve([]);
    return this.#session.insist(() => this.#session.env.store.executors.runsOf(id));
  }

  async #linesOf({ logId, address, attempt, state, openedAt }: RunRow): Promise<readonly LogLine[]> {
    const lines: LogLine[] = [{ at: openedAt, source: address, text: `attempt ${attempt}, log ${logId}: ${state}` }];
    for (let fromLine = 1; ; fromLine += logPage) {
      const page = await this.#session.insist(() =>
        this.#session.env.store.executors.readLog({ logId, fromLine, limit: logPage }),
      );
      lines.push(...page.lines.map((text) => ({ at: null, source: address, text })));
      if (page.lines.length < logPage) return lines;
    }
  }

  #shown(row: ShownRow, ending: Ending | undefined, runs: readonly RunRow[]): ShownExecution {
    const { id, job, key, state, schedule, createdAt } = row;
    const [first, last] = [runs[0], runs.at(-1)];
    return {
      ...{ id, job, key, state },
      attempt: last?.attempt ?? row.token,
      executor: last?.address ?? row.worker,
      schedule,
      scheduledAt: row.scheduledAt ?? createdAt,
      startedAt: first?.acceptedAt ?? first?.openedAt ?? createdAt,
      finishedAt: row.endedAt,
      ...(ending === undefined ? {} : this.#outcomeOf(row, ending)),
    };
  }

  #outcomeOf(row: ShownRow, ending: Ending): Pick<ShownExecution, "result" | "error"> {
    if (ending.status !== "completed") return { error: this.#reader.errorIn(ending.error) };
    const settings = this.#session.env.registry.find(row.job, row.version)?.settings;
    const isOpen = row.job === dispatchJobName || settings?.marks.paths.length === 0;
    return { result: isOpen ? this.#session.env.formats.result.decode(ending.result) : redacted };
  }
}
