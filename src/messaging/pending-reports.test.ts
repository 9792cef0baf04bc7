import { expect, it } from "vitest";
import type { Report } from "../core/outbox.ts";
import { PendingReports } from "./pending-reports.ts";

const report = (of: Report["of"], verdict: Report["verdict"], fence = 1): Report => ({
  seq: "7",
  fence,
  of,
  isKept: false,
  verdict,
});
const started = report("claimed", { kind: "started", executions: [] });
const done = report("watched", { kind: "done" });

it("an end that comes before the start is written takes its place, and is of the claim", () => {
  const pending = new PendingReports();
  pending.add(started);
  pending.add(done);
  expect(pending.take()).toEqual([{ ...done, of: "claimed" }]);
  expect(pending.isEmpty).toBe(true);
});

it("an end that comes while the start is being written follows it", () => {
  const pending = new PendingReports();
  pending.add(started);
  pending.take();
  pending.add(done);
  expect(pending.take()).toEqual([done]);
});

it("what could not be written is given back, and what came meanwhile is newer", () => {
  const pending = new PendingReports();
  pending.add(started);
  const taken = pending.take();
  pending.add(done);
  pending.giveBack(taken);
  expect(pending.take()).toEqual([{ ...done, of: "claimed" }]);
});
