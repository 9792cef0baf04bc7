import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { StoreOutcomeUnknownError, StorePoisonError } from "../core/errors.ts";
import { uuidV7 } from "../core/ids.ts";
import { fireKey } from "../core/keys.ts";
import { formatDefinition } from "../core/schedule/definition.ts";
import { resolveMisfire } from "../core/schedule/misfire.ts";
import type { ScheduleOptions } from "../core/schedule/schedule.ts";
import type { NewSchedule, ScheduleStore } from "../core/schedule-store.ts";
import type { NewExecution, Store } from "../core/store.ts";
import { sqlite } from "../store/sqlite/sqlite.ts";
import { type PlannedFire, Scheduler, type SchedulerOptions } from "./scheduler.ts";

// A real store in memory, with a clock that the tests move; turns are taken by hand.
const begin = Date.UTC(2026, 0, 1);
const namespace = "test";

let now = begin;
let store: Store;
let count = 0;
let errors: string[] = [];
beforeEach(async () => {
  now = begin;
  errors = [];
  store = sqlite(":memory:", { clock: { now: () => now } });
  await store.open();
});
afterEach(() => store.close());

const newId = (): string => uuidV7(begin + ++count, Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8, 9, count & 0xff));

function startOf({ row, at }: PlannedFire): NewExecution {
  const id = newId();
  return {
    ...{ id, namespace, job: row.job, version: 1, key: fireKey(row.id, at), fingerprint: "1", replacesRound: null },
    ...{
      input: row.input,
      priority: 5,
      group: null,
      concurrencyKey: null,
      blocking: null,
      delayMs: 0,
      timeoutMs: null,
    },
    ...{ retainMs: 1, keyRetainMs: 0, parent: null, root: id, traceContext: null, attributes: {}, claimFor: null },
    actor: { kind: "system", id: "test" },
    scheduled: { schedule: row.id, at },
  };
}

function schedulerOn(schedules: ScheduleStore, options: Partial<SchedulerOptions> = {}): Scheduler {
  const note = (_: object, message: string): void => void errors.push(message);
  return new Scheduler({
    ...{ namespace, store: schedules, pollMs: 1_000, startOf, names: () => [], announce() {} },
    clock: { after: () => () => {}, monotonicMs: () => now },
    random: { next: () => 0.5 },
    log: { debug() {}, info() {}, warn() {}, error: note },
    ...options,
  });
}

async function put(schedule: ScheduleOptions, given: Partial<NewSchedule> = {}, misfire = "catch-up"): Promise<string> {
  const id = newId();
  const definition = formatDefinition({
    ...{ format: 1, schedule, misfire: resolveMisfire(misfire as "skip"), call: null },
    start: {
      ...{ version: 1, fingerprint: "1", priority: 5, group: null, concurrencyKey: null, blocking: null },
      ...{ timeoutMs: null, retainMs: 1, keyRetainMs: 0, attributes: {} },
    },
  });
  const row: NewSchedule = {
    ...{ id, namespace, name: null, source: "person", job: "job", group: null, definition, input: null },
    ...{
      needsCode: false,
      follows: false,
      paused: null,
      enabledAt: begin,
      nextAt: begin,
      awaits: null,
      lastEndedAt: null,
    },
    ...given,
  };
  await store.schedules.put(row, { kind: "user", id: "ada" });
  return id;
}

const timesOf = async (schedule: string): Promise<readonly number[]> =>
  (await store.reads.list({ namespace, schedule, limit: 100 }))
    .map(({ scheduledAt }) => (scheduledAt as number) - begin)
    .toSorted((a, b) => a - b);

describe("a turn", () => {
  test("fires what is due, and says when the next is", async () => {
    const id = await put({ every: "10s" });
    const scheduler = schedulerOn(store.schedules);
    expect(await scheduler.turn()).toBe(1_000);
    expect(await timesOf(id)).toEqual([0]);
    now = begin + 9_900;
    expect(await scheduler.turn()).toBe(101);
    now = begin + 30_000;
    await scheduler.turn();
    expect(await timesOf(id)).toEqual([0, 10_000, 20_000, 30_000]);
    expect(scheduler.counts).toEqual({ firedCount: 4, skippedCount: 0, lostCount: 0 });
  });

  test("tells of what it passes over", async () => {
    const id = await put({ every: "10s" }, {}, "skip");
    const scheduler = schedulerOn(store.schedules);
    await scheduler.turn();
    now = begin + 45_000;
    await scheduler.turn();
    expect(await timesOf(id)).toEqual([0, 40_000]);
    expect(scheduler.counts.skippedCount).toBe(3);
  });

  test("whose answer is lost fires nothing twice: the rows say what happened", async () => {
    const id = await put({ every: "10s" });
    let isLost = true;
    const fire: ScheduleStore["fire"] = async (moves) => {
      const outcomes = await store.schedules.fire(moves);
      if (isLost) throw new StoreOutcomeUnknownError("no answer", {});
      return outcomes;
    };
    const scheduler = schedulerOn({ ...store.schedules, fire });
    await expect(scheduler.turn()).rejects.toMatchObject({ code: "STORE_OUTCOME_UNKNOWN" });
    isLost = false;
    await scheduler.turn();
    expect(await timesOf(id)).toEqual([0]);
  });

  test("fires 2,000 after one look, by two commits", async () => {
    for (let n = 0; n < 2_000; n++) await put({ every: "10s" });
    const calls: string[] = [];
    const { due, fire } = store.schedules;
    const counting: ScheduleStore = {
      ...store.schedules,
      due: (request) => {
        calls.push("due");
        return due(request);
      },
      fire: (moves) => {
        calls.push(`fire ${moves.length}`);
        return fire(moves);
      },
    };
    const scheduler = schedulerOn(counting);
    await scheduler.turn();
    expect(calls).toEqual(["due", "fire 1000", "fire 1000"]);
    expect(scheduler.counts.firedCount).toBe(2_000);
  });

  test("fires many in two commits at once, and leaves none under way when one of them fails", async () => {
    for (let n = 0; n < 1_001; n++) await put({ every: "10s" });
    let [underWay, most] = [0, 0];
    const fire: ScheduleStore["fire"] = async (moves) => {
      most = Math.max(most, ++underWay);
      const outcomes = await store.schedules.fire(moves);
      if (moves.length === 1) for (let n = 0; n < 10; n++) await new Promise((settle) => setImmediate(settle));
      underWay--;
      if (moves.length > 1) throw new StoreOutcomeUnknownError("no answer", {});
      return outcomes;
    };
    const scheduler = schedulerOn({ ...store.schedules, fire });
    await expect(scheduler.turn()).rejects.toMatchObject({ code: "STORE_OUTCOME_UNKNOWN" });
    expect([most, underWay]).toEqual([2, 0]);
    await schedulerOn(store.schedules).turn();
    expect(await store.reads.countByStatus(namespace)).toMatchObject({ ready: 1_001 });
  });

  test("that loses most rows to another center comes back a little later", async () => {
    await put({ every: "10s" });
    await put({ every: "10s" });
    const due: ScheduleStore["due"] = async (request) => {
      const found = await store.schedules.due(request);
      await schedulerOn(store.schedules).turn();
      return found;
    };
    const scheduler = schedulerOn({ ...store.schedules, due });
    expect(await scheduler.turn()).toBe(17.5);
    expect(scheduler.counts).toMatchObject({ firedCount: 0, lostCount: 2 });
  });
});

describe("a row that cannot be fired", () => {
  test("is set aside for a minute, and its neighbors are fired", async () => {
    const bad = await put({ every: "10s" }, { definition: '{"format":9}', nextAt: begin - 1 });
    const good = await put({ every: "10s" });
    const scheduler = schedulerOn(store.schedules);
    await scheduler.turn();
    await scheduler.turn();
    expect(await timesOf(good)).toEqual([0]);
    expect(await timesOf(bad)).toEqual([]);
    expect(errors).toHaveLength(1);
    now = begin + 61_000;
    await scheduler.turn();
    expect(errors).toHaveLength(2);
  });

  test("is found among many by halving, where the store refuses it", async () => {
    const ids = await Promise.all([1, 2, 3, 4, 5].map(() => put({ every: "10s" })));
    const bad = ids[3] as string;
    const fire: ScheduleStore["fire"] = async (moves) => {
      if (moves.some(({ id }) => id === bad)) throw new StorePoisonError("a value it cannot hold", {});
      return store.schedules.fire(moves);
    };
    const scheduler = schedulerOn({ ...store.schedules, fire });
    await scheduler.turn();
    const fired = await Promise.all(ids.map(async (id) => (await timesOf(id)).length));
    expect(fired).toEqual([1, 1, 1, 0, 1]);
    expect(errors).toHaveLength(1);
  });

  test("because its execution cannot be made is passed over, with an error", async () => {
    const id = await put({ every: "10s" });
    const scheduler = schedulerOn(store.schedules, { startOf: () => Promise.reject(new Error("no input")) });
    await scheduler.turn();
    expect(await timesOf(id)).toEqual([]);
    expect(await store.schedules.find(id)).toMatchObject({ lastFiredAt: begin, nextAt: begin + 10_000 });
    expect(errors).toEqual(["a fire was passed over: its execution could not be made"]);
  });
});

describe("a fixed delay", () => {
  test("fires at once, then as long after each end, also when nobody looked for a while", async () => {
    const id = await put({ every: "10s", afterEnd: true });
    const scheduler = schedulerOn(store.schedules);
    await scheduler.turn();
    expect(await timesOf(id)).toEqual([0]);
    now = begin + 60_000;
    await scheduler.turn();
    expect(await timesOf(id)).toEqual([0]);
    const [execution] = await store.reads.list({ namespace, limit: 1 });
    await store.commands.kill({ id: execution?.id ?? "", actor: { kind: "user", id: "ada" }, note: null });
    now = begin + 65_000;
    await scheduler.turn();
    expect(await store.schedules.find(id)).toMatchObject({ nextAt: begin + 70_000, awaits: null });
    now = begin + 70_000;
    await scheduler.turn();
    expect(await timesOf(id)).toEqual([0, 70_000]);
  });

  test("whose execution could not be made counts from then on", async () => {
    const id = await put({ every: "10s", afterEnd: true });
    const scheduler = schedulerOn(store.schedules, { startOf: () => Promise.reject(new Error("no input")) });
    await scheduler.turn();
    expect(await store.schedules.find(id)).toMatchObject({ nextAt: begin + 10_000, awaits: null, lastFiredAt: begin });
  });
});
