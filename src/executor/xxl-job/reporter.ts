// Tells the admin how runs ended. What is to be told stands in the records until an admin has acknowledged it, so a crash at
// any point means that it is told again; the admin drops what it has had.
import type { Clock, Log } from "../../core/ports.ts";
import type { CallbackForm } from "../../protocol/xxl-job/reports.ts";
import type { Admins } from "./admins.ts";
import { pause } from "./perform-job.ts";
import type { Records, RunRow } from "./records.ts";

export interface ReporterTools {
  readonly records: Records;
  readonly admins: Admins;
  readonly clock: Clock;
  readonly log: Log;
}

/** As Java executors from 3.4.1 on. */
const maxBatch = 50;
const firstPauseMs = 500;
const maxPauseMs = 30_000;

export class Reporter {
  readonly #tools: ReporterTools;
  #wake = Promise.withResolvers<void>();
  #failedCount = 0;

  constructor(tools: ReporterTools) {
    this.#tools = tools;
  }

  /** There is something to tell. */
  readonly poke = (): void => {
    this.#wake.resolve();
  };

  /** Until the signal aborts. */
  async run(signal: AbortSignal): Promise<void> {
    signal.addEventListener("abort", this.poke, { once: true });
    while (!signal.aborted) {
      this.#wake = Promise.withResolvers();
      const isDone = await this.#tellAll(signal);
      if (isDone) await this.#wake.promise;
      else await pause(this.#tools.clock, Math.min(maxPauseMs, firstPauseMs * 2 ** this.#failedCount), [signal]);
    }
  }

  /** Everything once, at the end of the process. What fails stays for the next. */
  async flush(signal: AbortSignal): Promise<void> {
    await this.#tellAll(signal);
  }

  /** False when an admin did not take it. */
  async #tellAll(signal: AbortSignal): Promise<boolean> {
    const { records, log } = this.#tools;
    while (!signal.aborted) {
      try {
        const rows = sameForm(records.unreported(maxBatch));
        if (rows.length === 0) return true;
        await this.#tell(rows);
        records.markReported(rows.map(({ logId }) => logId));
        this.#failedCount = 0;
      } catch (error) {
        this.#failedCount++;
        log.warn(
          { err: error, failedCount: this.#failedCount },
          "callbacks to the XXL-JOB admin wait; they are kept and sent again",
        );
        return false;
      }
    }
    return true;
  }

  async #tell(rows: readonly RunRow[]): Promise<void> {
    const reports = rows.map(({ logId, logDateTime, acceptedAt, code, message }) => ({
      logId,
      logDateTime: logDateTime === 0 ? acceptedAt : logDateTime,
      code: code ?? 0,
      message: message ?? "",
    }));
    await this.#tools.admins.report(reports, formOf(rows[0]));
  }
}

/** An admin that triggers by `/trigger` is of 3.5 or later, and wants the object. */
function formOf(row: RunRow | undefined): CallbackForm {
  return row?.isNewest === true ? "object" : "array";
}

/** As many as have the form of the first: an admin may have been upgraded between them. */
function sameForm(rows: readonly RunRow[]): readonly RunRow[] {
  const other = rows.findIndex((row) => formOf(row) !== formOf(rows[0]));
  return other === -1 ? rows : rows.slice(0, other);
}
