import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type Decision, type DecisionInput, decideFires } from "./decide.ts";
import { nextAt } from "./fires.ts";
import { type MisfireOptions, type MisfirePolicy, resolveMisfire } from "./misfire.ts";
import { resolveSchedule, type ScheduleOptions } from "./schedule.ts";

const at = (text: string): number => Date.parse(`2026-01-01T${text}Z`);
const clock = (ms: number | null) => (ms === null ? null : new Date(ms).toISOString().slice(11, 19));

function decide(
  options: ScheduleOptions,
  misfire: MisfirePolicy | MisfireOptions,
  input: Partial<DecisionInput> & { readonly now: number },
) {
  const decision = decideFires({
    ...{
      schedule: resolveSchedule(options, "s"),
      misfire: resolveMisfire(misfire),
      lastFireAt: null,
      enabledAt: at("00:00:00"),
    },
    ...input,
  });
  return {
    ...decision,
    fires: decision.fires.map((fire) => `${clock(fire.at)} ${fire.kind}`),
    nextAt: clock(decision.nextAt),
  };
}

const every10m: ScheduleOptions = { cron: "0 0/10 * * * ?" };

describe("in time", () => {
  test("a fire starts as planned, and the next is known", () => {
    expect(decide(every10m, "skip", { now: at("00:10:01"), lastFireAt: at("00:00:00") })).toEqual({
      fires: ["00:10:00 planned"],
      skippedCount: 0,
      isSkippedCountExact: true,
      lastFireAt: at("00:10:00"),
      nextAt: "00:20:00",
      nextDueAt: at("00:20:00"),
    });
  });

  test("nothing starts before it is due", () => {
    expect(decide(every10m, "skip", { now: at("00:09:59"), lastFireAt: at("00:00:00") })).toMatchObject({
      fires: [],
      lastFireAt: at("00:00:00"),
      nextAt: "00:10:00",
    });
  });

  test("the instant of creation is included; what was before is not owed", () => {
    expect(decide(every10m, "catch-up", { now: at("00:20:01"), enabledAt: at("00:20:00") }).fires).toEqual([
      "00:20:00 planned",
    ]);
    expect(decide(every10m, "catch-up", { now: at("00:20:02"), enabledAt: at("00:20:01") })).toMatchObject({
      fires: [],
      lastFireAt: null,
      skippedCount: 0,
      nextAt: "00:30:00",
    });
  });

  test("a schedule that was paused owes nothing of the pause", () => {
    expect(
      decide(every10m, "catch-up", { now: at("05:00:01"), lastFireAt: at("01:00:00"), enabledAt: at("04:59:00") }),
    ).toMatchObject({ fires: ["05:00:00 planned"], skippedCount: 0 });
  });

  test("several that are due within the threshold all start", () => {
    expect(
      decide({ every: "1s" }, { policy: "skip", threshold: "5s" }, { now: at("00:01:05"), lastFireAt: at("00:01:00") })
        .fires,
    ).toHaveLength(5);
  });

  test("more than a thousand are left to the next decision", () => {
    const input = { now: at("01:00:00"), lastFireAt: at("00:00:00") };
    const first = decide({ every: "1s" }, { policy: "skip", threshold: "2h" }, input);
    expect(first.fires).toHaveLength(1_000);
    expect(first.nextDueAt).toBe(at("00:16:41"));
    const second = decide(
      { every: "1s" },
      { policy: "skip", threshold: "2h" },
      { ...input, lastFireAt: first.lastFireAt },
    );
    expect(second.fires[0]).toBe("00:16:41 planned");
  });
});

describe("after an hour in which nothing could start", () => {
  const input = { now: at("01:05:00"), lastFireAt: at("00:00:00") };

  test("skip leaves out what was missed, and counts it", () => {
    expect(decide(every10m, "skip", input)).toMatchObject({
      fires: [],
      skippedCount: 6,
      lastFireAt: at("01:00:00"),
      nextAt: "01:10:00",
    });
  });

  test("fire-once starts the newest for all", () => {
    expect(decide(every10m, "fire-once", input)).toMatchObject({
      fires: ["01:00:00 late"],
      skippedCount: 5,
      lastFireAt: at("01:00:00"),
    });
  });

  test("fire-once starts none besides one that is just in time", () => {
    expect(decide(every10m, "fire-once", { ...input, now: at("01:10:02") })).toMatchObject({
      fires: ["01:10:00 planned"],
      skippedCount: 6,
      lastFireAt: at("01:10:00"),
    });
  });

  test("catch-up starts each, in order, then what is in time", () => {
    expect(decide(every10m, "catch-up", { ...input, now: at("00:30:02") })).toMatchObject({
      fires: ["00:10:00 caught-up", "00:20:00 caught-up", "00:30:00 planned"],
      skippedCount: 0,
    });
  });

  test("catch-up starts the newest within its bound", () => {
    expect(decide(every10m, { policy: "catch-up", maxCatchUp: 2 }, input)).toMatchObject({
      fires: ["00:50:00 caught-up", "01:00:00 caught-up"],
      skippedCount: 4,
    });
  });

  test("a fire exactly at the threshold is in time", () => {
    const options = { policy: "skip", threshold: "5m" } as const;
    expect(decide(every10m, options, { ...input, now: at("00:15:00") }).fires).toEqual(["00:10:00 planned"]);
    expect(decide(every10m, options, { ...input, now: at("00:15:00") + 1 })).toMatchObject({
      fires: [],
      skippedCount: 1,
    });
  });

  test("counting ends at a bound", () => {
    expect(decide({ every: "100ms" }, "skip", input)).toMatchObject({
      skippedCount: 10_000,
      isSkippedCountExact: false,
    });
    expect(decide({ every: "1s" }, "skip", input)).toMatchObject({ skippedCount: 3_894, isSkippedCountExact: true });
  });
});

test("a jitter is part of being due, not of the fire time", () => {
  const jittered = resolveSchedule({ ...every10m, jitter: "9m" }, "s");
  const next = decideFires({
    ...{ schedule: jittered, misfire: resolveMisfire(), lastFireAt: at("00:00:00"), enabledAt: 0, now: at("00:10:00") },
  });
  expect(next).toMatchObject({ fires: [], nextAt: at("00:10:00") });
  const dueAt = next.nextDueAt as number;
  expect(dueAt).toBeGreaterThan(at("00:10:00"));
  const input = { schedule: jittered, misfire: resolveMisfire("skip"), lastFireAt: at("00:00:00"), enabledAt: 0 };
  expect(decideFires({ ...input, now: dueAt }).fires).toEqual([{ at: at("00:10:00"), dueAt, kind: "planned" }]);
});

describe("a one-shot", () => {
  const once: ScheduleOptions = { at: "2026-01-01T00:10:00Z" };

  test("that passed before it was created is missed, and follows the policy", () => {
    const input = { now: at("09:00:00"), enabledAt: at("08:00:00") };
    expect(decide(once, "fire-once", input)).toMatchObject({ fires: ["00:10:00 late"], nextAt: null });
    expect(decide(once, "skip", input)).toMatchObject({
      fires: [],
      skippedCount: 1,
      nextAt: null,
      lastFireAt: at("00:10:00"),
    });
  });

  test("does not fire again", () => {
    expect(decide(once, "catch-up", { now: at("09:00:00"), lastFireAt: at("00:10:00") })).toMatchObject({
      fires: [],
      nextAt: null,
    });
  });
});

describe("a fixed delay", () => {
  const delay: ScheduleOptions = { every: "10m", afterEnd: true };

  test("starts at once, then waits for the end, then for the delay", () => {
    expect(decide(delay, "skip", { now: at("00:00:01") })).toMatchObject({
      fires: ["00:00:00 planned"],
      nextDueAt: null,
    });
    const lastFireAt = at("00:00:00");
    expect(decide(delay, "skip", { now: at("05:00:00"), lastFireAt })).toMatchObject({ fires: [], nextAt: null });
    const ended = { lastFireAt, lastEndedAt: at("00:25:00") };
    expect(decide(delay, "skip", { now: at("00:30:00"), ...ended })).toMatchObject({ fires: [], nextAt: "00:35:00" });
    expect(decide(delay, "skip", { now: at("00:35:00"), ...ended }).fires).toEqual(["00:35:00 planned"]);
  });

  test("that is late fires once, whatever the policy, since the next counts from its end", () => {
    const input = { now: at("09:00:00"), lastFireAt: at("00:00:00"), lastEndedAt: at("00:01:00") };
    for (const policy of ["skip", "fire-once", "catch-up"] as const)
      expect(decide(delay, policy, input)).toMatchObject({ fires: ["00:11:00 late"], lastFireAt: at("00:11:00") });
  });

  test("ends with its end", () => {
    const input = { now: at("09:00:00"), lastFireAt: at("00:00:00"), lastEndedAt: at("00:51:00") };
    expect(decide({ ...delay, end: "2026-01-01T01:00:00Z" }, "skip", input)).toMatchObject({ fires: [], nextAt: null });
  });
});

describe("misfire options that are wrong are refused:", () => {
  test.each<[unknown, RegExp]>([
    ["later", /misfire.policy: expected one of skip, fire-once, catch-up, found "later"/],
    [{ policy: "skip", maxCatchUp: 3 }, /misfire.maxCatchUp: expected it only with policy "catch-up"/],
    [{ policy: "catch-up", maxCatchUp: 0 }, /from 1 to 1000/],
    [{ threshold: "2d" }, /misfire.threshold/],
    [{ treshold: "2s" }, /Did you mean threshold\?/],
  ])("%j", (options, message) => {
    expect(() => resolveMisfire(options as MisfireOptions)).toThrow(message);
  });
});

describe("whatever the clock does", () => {
  const anySchedule = fc.constantFrom<ScheduleOptions>(
    { cron: "0 0/10 * * * ?" },
    { cron: "0 30 2 * * ?", zone: "America/New_York" },
    { cron: "0 0 * * * ?", zone: "Europe/Berlin", jitter: "40m" },
    { every: "7m", jitter: "1h" },
    { every: "90s", calendar: { excludeWeekdays: ["SUN"] } },
    { at: "2026-03-20T00:00:00Z" },
    { every: "13m", start: "2026-03-08T00:00:00Z", end: "2026-03-09T00:00:00Z" },
    { every: "5m", afterEnd: true },
  );
  const anyMisfire = fc.constantFrom<MisfireOptions>(
    { policy: "skip" },
    { policy: "fire-once", threshold: "1m" },
    { policy: "catch-up", maxCatchUp: 7, threshold: 0 },
    { policy: "catch-up", threshold: "30m" },
  );
  const anyJumps = fc.array(
    fc.oneof(fc.integer({ min: 0, max: 1_200_000 }), fc.integer({ min: -7_200_000, max: 86_400_000 * 3 })),
    { minLength: 1, maxLength: 40 },
  );

  test("no fire time is decided twice, and they rise", () => {
    fc.assert(
      fc.property(anySchedule, anyMisfire, anyJumps, (options, misfire, jumps) => {
        let now = Date.parse("2026-03-07T10:00:00Z");
        let newest = Number.NEGATIVE_INFINITY;
        const input = { schedule: resolveSchedule(options, "s"), misfire: resolveMisfire(misfire), enabledAt: now };
        let lastFireAt: number | null = null;
        for (const jump of jumps) {
          now += jump;
          // A fixed delay: each execution has ended by the next look.
          const decision: Decision = decideFires({ ...input, lastFireAt, now, lastEndedAt: now - 1_000 });
          for (const fire of decision.fires) {
            expect(fire.at).toBeGreaterThan(newest);
            expect(fire.dueAt).toBeGreaterThanOrEqual(fire.at);
            expect(fire.dueAt).toBeLessThanOrEqual(now);
            newest = fire.at;
          }
          if (decision.lastFireAt !== null) {
            expect(decision.lastFireAt).toBeGreaterThanOrEqual(Math.max(newest, lastFireAt ?? newest));
            if (decision.nextAt !== null) expect(decision.nextAt).toBeGreaterThan(decision.lastFireAt);
            newest = Math.max(newest, decision.lastFireAt);
          }
          lastFireAt = decision.lastFireAt;
        }
      }),
      { numRuns: 400 },
    );
  });

  test("what is decided is each fire time exactly once: started, or counted as skipped", () => {
    fc.assert(
      fc.property(anySchedule, anyMisfire, anyJumps, (options, misfire, jumps) => {
        if (options.afterEnd || options.at !== undefined) return;
        const schedule = resolveSchedule(options, "s");
        const enabledAt = Date.parse("2026-03-07T10:00:00Z");
        let [now, decided, lastFireAt] = [enabledAt, 0, null as number | null];
        for (const jump of jumps) {
          now += Math.min(jump, 86_400_000);
          const decision = decideFires({
            ...{ schedule, misfire: resolveMisfire(misfire), enabledAt },
            lastFireAt,
            now,
          });
          expect(decision.isSkippedCountExact).toBe(true);
          decided += decision.fires.length + decision.skippedCount;
          lastFireAt = decision.lastFireAt;
        }
        let expected = 0;
        for (
          let fire = nextAt(schedule, enabledAt - 1);
          fire !== null && fire <= (lastFireAt ?? 0);
          fire = nextAt(schedule, fire)
        )
          expected++;
        expect(decided).toBe(expected);
      }),
      { numRuns: 300 },
    );
  });

  test("a process that decides the same again, because its commit was lost, decides the same", () => {
    fc.assert(
      fc.property(anySchedule, anyMisfire, fc.integer({ min: 0, max: 86_400_000 }), (options, misfire, late) => {
        const make = () =>
          decideFires({
            ...{ schedule: resolveSchedule(options, "s"), misfire: resolveMisfire(misfire), lastFireAt: null },
            ...{ enabledAt: Date.parse("2026-03-07T10:00:00Z"), now: Date.parse("2026-03-07T10:00:00Z") + late },
          });
        expect(make()).toEqual(make());
      }),
    );
  });
});
