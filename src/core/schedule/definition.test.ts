import { describe, expect, it } from "vitest";
import {
  Definitions,
  formatDefinition,
  parseDefinition,
  type ScheduleDefinition,
  scheduleOptionsOf,
} from "./definition.ts";
import { preview } from "./fires.ts";
import { defaultMisfire } from "./misfire.ts";
import { resolveSchedule, type ScheduleOptions } from "./schedule.ts";

const from = Date.UTC(2026, 2, 1);

const definitionOf = (schedule: ScheduleOptions): ScheduleDefinition => ({
  format: 1,
  schedule,
  misfire: defaultMisfire,
  start: {
    ...{ version: 1, fingerprint: "1x", priority: 5, group: null, concurrencyKey: null, blocking: null },
    ...{ timeoutMs: null, retainMs: 1, keyRetainMs: 0, attributes: {} },
  },
  call: null,
});

describe("a stored schedule", () => {
  it.each<ScheduleOptions>([
    { cron: "0 30 2 ? * MON-FRI", zone: "America/New_York" },
    { cron: "*/5 2 * * 1", dialect: "unix", zone: "Asia/Shanghai", jitter: "30s" },
    { every: "90m" },
    { every: "90m", start: "2026-03-01T00:07:00Z", end: "2026-03-03" },
    { at: "2026-03-08T02:30:00", zone: "America/New_York" },
    {
      cron: "0 0 12 * * ?",
      calendar: {
        excludeDates: ["2026-03-02", "2026-03-04..2026-03-06"],
        excludeWeekdays: ["SAT", "SUN"],
        includeDates: ["2026-03-07"],
      },
    },
  ])("fires as the one that was given: %j", (options) => {
    const given = resolveSchedule(options, "seed");
    const text = formatDefinition(definitionOf(scheduleOptionsOf(given)));
    const { schedule } = new Definitions().read(text, "seed");
    expect(preview(schedule, from, 50)).toEqual(preview(given, from, 50));
    expect(preview(given, from, 50).length).toBeGreaterThan(0);
    expect(schedule).toMatchObject({
      jitterMs: given.jitterMs,
      seed: "seed",
      startMs: given.startMs,
      endMs: given.endMs,
    });
    expect(scheduleOptionsOf(schedule)).toEqual(scheduleOptionsOf(given));
  });

  it("keeps that a delay counts from an end", () => {
    const given = resolveSchedule({ every: "5s", afterEnd: true }, "");
    expect(scheduleOptionsOf(given)).toEqual({ every: 5_000, afterEnd: true, zone: "UTC" });
  });

  it.each(["", "null", "7", '{"format":2}', "{}"])("of another format is refused: %j", (text) => {
    expect(() => parseDefinition(text)).toThrow(/Expected the definition of a schedule in format 1, found/);
  });

  it("of one text is read once, and has the seed of each that shares it", () => {
    const definitions = new Definitions();
    const text = formatDefinition(definitionOf({ every: "1s", jitter: "1s" }));
    const [one, other] = [definitions.read(text, "one"), definitions.read(text, "other")];
    expect(one.definition).toBe(other.definition);
    expect([one.schedule.seed, other.schedule.seed]).toEqual(["one", "other"]);
  });

  it("that awaits an end is due when that is known, and a new one at its first time", () => {
    const definitions = new Definitions();
    const row = {
      ...{ id: "x", name: null, definition: formatDefinition(definitionOf({ every: "1m" })), awaits: null },
      ...{ enabledAt: from, lastFiredAt: null, lastEndedAt: null },
    };
    expect(definitions.nextDue(row, from)).toBe(from);
    expect(definitions.nextDue({ ...row, lastFiredAt: from }, from)).toBe(from + 60_000);
    expect(definitions.nextDue({ ...row, awaits: "y" }, from)).toBeNull();
  });
});
