import { describe, expect, it } from "vitest";
import { figuresOf, ratioOf } from "../../bench/figures.ts";
import { median, quantile } from "../../bench/measure.ts";
import type { Taken } from "../../bench/sample.ts";

const rate = (perSecond: number): Taken => ({
  sample: { kind: "rate", count: 1_000, seconds: 1_000 / perSecond, cpuMs: 500 / perSecond },
  readings: { commits: 20, roundTrips: 30, serverCpuMs: null },
  maxRssMb: 90,
});

describe("figures of several runs", () => {
  it("are a median with min and max, and costs per unit", () => {
    const figures = figuresOf("rate", [rate(256), rate(64), rate(128)]);
    expect(figures).toMatchObject({ median: 128, min: 64, max: 256, commitsPerUnit: 0.02, roundTripsPerUnit: 0.03 });
    expect(figures?.nodeCpuPercent).toBeCloseTo(0.05);
    expect(figures?.serverCpuPercent).toBeNull();
  });

  it("of a duration are the time until all was done", () => {
    expect(figuresOf("duration", [rate(500)])?.median).toBe(2_000);
  });

  it("leave out the runs that failed, and are none where all did", () => {
    expect(figuresOf("rate", [null, rate(100)])?.runs).toEqual([null, 100]);
    expect(figuresOf("rate", [null])).toBeNull();
  });

  it("are compared run by run, so that what hit both of a pair does not count", () => {
    const ours = figuresOf("rate", [rate(256), rate(64), rate(128)]);
    const theirs = figuresOf("rate", [rate(64), rate(16), null]);
    if (ours === null || theirs === null) throw new TypeError("Expected figures.");
    expect(ratioOf(ours, theirs)).toEqual({ median: 4, min: 4, max: 4 });
  });
});

describe("quantiles", () => {
  it("are of the nearest rank; a median of an even number lies between the two in the middle", () => {
    expect(quantile([4, 1, 3, 2], 0.5)).toBe(2);
    expect(quantile([4, 1, 3, 2], 0.99)).toBe(4);
    expect(median([4, 1, 3, 2])).toBe(2.5);
    expect(median([3, 1, 2])).toBe(2);
    expect(median([])).toBeNaN();
  });
});
