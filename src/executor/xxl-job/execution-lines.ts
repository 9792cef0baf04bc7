// Brings what a job writes to `ctx.log` into the log of the run that started it. The engine names an execution; a run learns
// that name when `start` has answered, and by then the job may have written its first lines. So while starts are under way,
// lines of executions that nobody knows are kept for a moment.
import type { ExecutionLine } from "./handler.ts";
import type { RunLog } from "./run-logs.ts";

/** Lines kept while starts are under way; above it the oldest go. */
const maxKept = 1_000;

export class ExecutionLines {
  /** Several runs of one business key share an execution, and each shows its lines. */
  readonly #logs = new Map<string, Set<RunLog>>();
  #kept: ExecutionLine[] = [];
  #startCount = 0;

  readonly take = (line: ExecutionLine): void => {
    const logs = this.#logs.get(line.executionId);
    if (logs !== undefined) for (const log of logs) log.write(line.level, line.fields, line.message);
    else if (this.#startCount > 0) {
      this.#kept.push(line);
      if (this.#kept.length > maxKept) this.#kept.shift();
    }
  };

  /** Lines that come while `start` runs are kept for whoever asks for them with `connect`. */
  async during<T extends { readonly id: string }>(log: RunLog, start: () => Promise<T>): Promise<T> {
    this.#startCount++;
    try {
      const execution = await start();
      this.connect(execution.id, log);
      for (const line of this.#kept)
        if (line.executionId === execution.id) log.write(line.level, line.fields, line.message);
      this.#kept = this.#kept.filter((it) => it.executionId !== execution.id);
      return execution;
    } finally {
      this.#startCount--;
      if (this.#startCount === 0) this.#kept = [];
    }
  }

  connect(executionId: string, log: RunLog): void {
    const logs = this.#logs.get(executionId) ?? new Set();
    this.#logs.set(executionId, logs.add(log));
  }

  disconnect(executionId: string, log: RunLog): void {
    const logs = this.#logs.get(executionId);
    logs?.delete(log);
    if (logs?.size === 0) this.#logs.delete(executionId);
  }
}
