import type { Report } from "../core/outbox.ts";

/** What became of messages and is not written yet: the last word on each. */
export class PendingReports {
  #bySeq = new Map<string, Report>();

  get isEmpty(): boolean {
    return this.#bySeq.size === 0;
  }

  /** A word on executions that are not written down yet takes the place of the word that they were started. */
  add(report: Report): void {
    const before = this.#bySeq.get(report.seq);
    const isFolded = before?.of === "claimed" && before.fence === report.fence;
    this.#bySeq.set(report.seq, isFolded ? { ...report, of: "claimed" } : report);
  }

  /** All of them, to be written. */
  take(): readonly Report[] {
    const reports = [...this.#bySeq.values()];
    this.#bySeq = new Map();
    return reports;
  }

  /** They could not be written: whatever was added meanwhile is newer. */
  giveBack(reports: readonly Report[]): void {
    const newer = this.take();
    for (const report of [...reports, ...newer]) this.add(report);
  }
}
