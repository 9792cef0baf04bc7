import { describe, expect, it } from "vitest";
import type { Clock } from "../core/ports.ts";
import { Pace } from "./pace.ts";

/** A clock that stands still; `delays` are the timers that were set, the last one fires on `fire`. */
function standing() {
  const delays: number[] = [];
  let fire = (): void => undefined;
  const clock: Clock = {
    now: () => 0,
    monotonicMs: () => 0,
    after(delayMs, run) {
      delays.push(Math.round(delayMs));
      fire = run;
      return () => undefined;
    },
    drained: (run) => run(),
    soon: (run) => run(),
  };
  const pace = new Pace(clock, { next: () => 0.5, bytes: (count) => new Uint8Array(count) }, 1_000);
  const { signal } = new AbortController();
  const pause = (): Promise<void> => {
    const paused = pace.pause(signal);
    fire();
    return paused;
  };
  return { pace, delays, pause, signal, fire: () => fire() };
}

describe("the pace of a relay", () => {
  it("slows down to the longest pause while nothing comes", async () => {
    const { delays, pause } = standing();
    for (let n = 0; n < 18; n++) await pause();
    expect(delays.slice(0, 4)).toEqual([2, 3, 5, 7]);
    expect(delays.at(-1)).toBe(1_000);
  });

  it("is quick again after an announcement, which cuts a long pause short", async () => {
    const { pace, delays, pause, signal, fire } = standing();
    for (let n = 0; n < 18; n++) await pause();
    const paused = pace.pause(signal);
    pace.hurry();
    expect(delays.at(-1)).toBe(2);
    fire();
    await paused;
    await pause();
    expect(delays.at(-1)).toBe(2);
  });

  it("lets slow looks that find nothing take a tenth of the time, whatever is announced", async () => {
    const { pace, delays, signal, fire } = standing();
    pace.spare(300);
    const paused = pace.pause(signal);
    pace.hurry();
    expect(delays).toEqual([2_700]);
    fire();
    await paused;
    pace.spare(3);
    void pace.pause(signal);
    expect(delays.at(-1)).toBe(2);
  });
});
