import { describe, expect, it } from "vitest";
import { Pause } from "./pause.ts";

/** Timers that are set and not canceled, by their delay; `pass` lets the time of all of them come. */
function clockByHand() {
  const timers = new Map<() => void, number>();
  return {
    delays: () => [...timers.values()],
    pass: () => {
      for (const run of [...timers.keys()]) if (timers.delete(run)) run();
    },
    after(delayMs: number, run: () => void) {
      const timer = () => run();
      timers.set(timer, delayMs);
      return () => void timers.delete(timer);
    },
  };
}

/** Whether it has settled by now. */
const isOver = (paused: Promise<void>): Promise<boolean> =>
  Promise.race([paused.then(() => true), Promise.resolve().then(() => Promise.resolve(false))]);

describe("a pause", () => {
  const { signal } = new AbortController();

  it("lasts until its time is over, and leaves no timer", async () => {
    const clock = clockByHand();
    const pause = new Pause(clock);
    const paused = pause.take(100, signal);
    expect([clock.delays(), pause.isOn, await isOver(paused)]).toEqual([[100], true, false]);
    clock.pass();
    await paused;
    expect([clock.delays(), pause.isOn]).toEqual([[], false]);
  });

  it("ends at once when woken; another one begins anew", async () => {
    const clock = clockByHand();
    const pause = new Pause(clock);
    const paused = pause.take(100, signal);
    pause.wake();
    await paused;
    pause.wake();
    const next = pause.take(200, signal);
    expect([clock.delays(), await isOver(next)]).toEqual([[200], false]);
  });

  it("ends with the signal, and is none where that has aborted before", async () => {
    const clock = clockByHand();
    const pause = new Pause(clock);
    const controller = new AbortController();
    const paused = pause.take(100, controller.signal);
    controller.abort();
    await paused;
    await pause.take(100, controller.signal);
    expect([clock.delays(), pause.isOn]).toEqual([[], false]);
  });

  it("can be made to end in another time, and only while it is on", async () => {
    const clock = clockByHand();
    const pause = new Pause(clock);
    pause.endIn(1);
    const paused = pause.take(100, signal);
    pause.endIn(2);
    expect(clock.delays()).toEqual([2]);
    clock.pass();
    await paused;
    expect([clock.delays(), pause.isOn]).toEqual([[], false]);
  });
});
