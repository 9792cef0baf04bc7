import { randomUUID } from "node:crypto";
import { describe, expect } from "vitest";
import type {
  MoveOutcome,
  NewSchedule,
  ScheduleContent,
  ScheduleMove,
  ScheduleRow,
} from "../../core/schedule-store.ts";
import type { NewExecution } from "../../core/store.ts";
import type { Suite } from "./harness.ts";
import { bytes, idsOf, job, leaseOf, newId, only, person, plain, type Scene, until } from "./scene.ts";

const never = 4_000_000_000_000;

function scheduleIn(scene: Scene, given: Partial<NewSchedule> = {}): NewSchedule {
  return {
    id: newId(),
    namespace: scene.namespace,
    name: null,
    source: "person",
    job: job.job,
    group: null,
    definition: '{"every":1000}',
    input: bytes(7),
    needsCode: false,
    follows: false,
    paused: null,
    enabledAt: 900,
    nextAt: 1_000,
    awaits: null,
    lastEndedAt: null,
    ...given,
  };
}

async function put(scene: Scene, given: Partial<NewSchedule> = {}): Promise<ScheduleRow> {
  const schedule = scheduleIn(scene, given);
  expect(await scene.store.schedules.put(schedule, person)).toEqual({ kind: "created" });
  return read(scene, schedule.id);
}

async function read(scene: Scene, id: string): Promise<ScheduleRow> {
  const row = await scene.store.schedules.find(id);
  if (row === null) throw new Error(`Expected schedule ${id}, found none`);
  return row;
}

const due = (scene: Scene, given: { readonly names?: readonly string[]; readonly limit?: number } = {}) =>
  scene.store.schedules.due({ namespace: scene.namespace, names: [], limit: 100, ...given });
const ended = (scene: Scene) => scene.store.schedules.ended({ namespace: scene.namespace, names: [], limit: 100 });

const fireOf = (scene: Scene, schedule: ScheduleRow, at: number, given: Partial<NewExecution> = {}): NewExecution =>
  scene.execution({
    key: `${schedule.id}@${at}`,
    scheduled: { schedule: schedule.id, at },
    retainMs: 0,
    keyRetainMs: 0,
    ...given,
  });

/** Fires the time that was seen, and moves to `nextAt`. */
function moveOf(scene: Scene, schedule: ScheduleRow, given: Partial<ScheduleMove> = {}): ScheduleMove {
  const { id, version, nextAt, awaits } = schedule;
  return {
    id,
    version,
    seenAt: nextAt,
    seenAwaits: awaits,
    nextAt: never,
    awaits: null,
    lastEndedAt: null,
    firedAt: nextAt,
    starts: nextAt === null ? [] : [fireOf(scene, schedule, nextAt)],
    ...given,
  };
}

const contentOf = (row: ScheduleRow): ScheduleContent => {
  const { job, group, definition, input, needsCode, follows, paused, enabledAt, nextAt, awaits, lastEndedAt } = row;
  return { job, group, definition, input, needsCode, follows, paused, enabledAt, nextAt, awaits, lastEndedAt };
};

const edit = (scene: Scene, { version, lastFiredAt, ...row }: ScheduleRow, content: Partial<ScheduleContent>) =>
  scene.store.schedules.edit({
    id: row.id,
    seen: { version, lastFiredAt },
    content: { ...contentOf({ version, lastFiredAt, ...row }), ...content },
    verb: "edit",
    actor: person,
    note: "because",
  });

const executionsOf = (scene: Scene, { id }: ScheduleRow) =>
  scene.store.reads.list({ namespace: scene.namespace, schedule: id, limit: 1_000 });

/** One of the moves of a row wins, and never two. */
const fire = async (scene: Scene, ...moves: readonly ScheduleMove[]): Promise<readonly MoveOutcome["kind"][]> =>
  (await scene.store.schedules.fire(moves)).map(({ kind }) => kind);

export function testSchedules(suite: Suite): void {
  describe("commands", () => testCommands(suite));
  describe("what is due", () => testDue(suite));
  describe("firing", () => testFiring(suite));
  describe("fixed delay", () => testFixedDelay(suite));
  describe("races", () => testRaces(suite));
}

function testCommands(suite: Suite): void {
  suite.test("a schedule is read back as it was put, and its audit row names who did it and why", async (scene) => {
    const given = scheduleIn(scene, { name: "nightly", group: "orders", needsCode: true, input: bytes(0, 255, 10) });
    await scene.store.schedules.put(given, person, "because");
    const { input, createdAt, updatedAt, ...row } = await read(scene, given.id);
    const { input: sent, ...rest } = given;
    expect(row).toEqual({ ...rest, version: 1, lastFiredAt: null });
    expect(plain(input)).toEqual(plain(sent));
    expect(updatedAt).toBe(createdAt);
    expect(Math.abs((await scene.store.schedules.now()) - createdAt)).toBeLessThan(60_000);
    const { at, ...audit } = only(await scene.store.schedules.audit(given.id));
    expect(audit).toEqual({ executionId: given.id, verb: "create", actor: person, note: "because" });
    expect(at).toBeGreaterThanOrEqual(createdAt);
  });

  suite.test(
    "those that follow others are found, also when they are paused, until they no longer do",
    async (scene) => {
      await put(scene, { nextAt: 1 });
      await scene.store.schedules.put(scheduleIn(scene, { follows: true, namespace: `${scene.namespace}-2` }), person);
      const followers = [
        await put(scene, { follows: true, nextAt: null }),
        await put(scene, { follows: true, nextAt: null }),
      ];
      const found = () => scene.store.schedules.followers(scene.namespace);
      expect((await found()).map(({ id }) => id)).toEqual(followers.map(({ id }) => id).toSorted());
      const [one, other] = followers as [ScheduleRow, ScheduleRow];
      expect(await edit(scene, one, { paused: "person" })).toEqual({ kind: "done" });
      expect(await edit(scene, other, { follows: false })).toEqual({ kind: "done" });
      expect(await found()).toEqual([{ ...(await read(scene, one.id)), paused: "person", follows: true }]);
    },
  );

  suite.test("a put is known again by its id, and refused by a name that is taken", async (scene) => {
    const first = scheduleIn(scene, { name: "nightly" });
    await scene.store.schedules.put(first, person);
    expect(await scene.store.schedules.put(first, person)).toEqual({ kind: "exists", id: first.id });
    const second = scheduleIn(scene, { name: "nightly" });
    expect(await scene.store.schedules.put(second, person)).toEqual({ kind: "exists", id: first.id });
    expect(await scene.store.schedules.find(second.id)).toBeNull();
    expect(await scene.store.schedules.audit(first.id)).toHaveLength(1);
  });

  suite.test("a name is unique in its namespace alone, and any number have none", async (scene) => {
    const { id } = await put(scene, { name: "nightly" });
    await put(scene);
    await put(scene);
    const other = scheduleIn(scene, { namespace: `${scene.namespace}-2`, name: "nightly" });
    expect(await scene.store.schedules.put(other, person)).toEqual({ kind: "created" });
    const { namespace } = scene;
    expect((await scene.store.schedules.findByName({ namespace, name: "nightly" }))?.id).toBe(id);
    expect(await scene.store.schedules.findByName({ namespace, name: "weekly" })).toBeNull();
  });

  suite.test("lists are newest first, in pages, by source, job and group", async (scene) => {
    const ids = [newId(), newId(), newId()].toSorted() as [string, string, string];
    const a = await put(scene, { id: ids[0], source: "code", job: "a" });
    const b = await put(scene, { id: ids[1], job: "b", group: "orders" });
    const c = await put(scene, { id: ids[2], job: "b" });
    const list = (given: object) =>
      scene.store.schedules.list({ namespace: scene.namespace, limit: 10, ...given }).then(idsOf);
    expect(await list({})).toEqual([c.id, b.id, a.id]);
    expect(await list({ limit: 2 })).toEqual([c.id, b.id]);
    expect(await list({ after: b.id })).toEqual([a.id]);
    expect(await list({ source: "code" })).toEqual([a.id]);
    expect(await list({ job: "b" })).toEqual([c.id, b.id]);
    expect(await list({ job: "b", group: "orders" })).toEqual([b.id]);
  });

  suite.test("an edit raises the version, changes what it says, and leaves an audit row", async (scene) => {
    const row = await put(scene, { name: "nightly" });
    const content = {
      ...{ job: "other", group: "g", definition: "{}", input: null, needsCode: true },
      ...{ enabledAt: 4_000, nextAt: 5_000, lastEndedAt: 3_000 },
    };
    expect(await edit(scene, row, content)).toEqual({ kind: "done" });
    const changed = await read(scene, row.id);
    expect(changed).toMatchObject({ ...content, name: "nightly", version: 2 });
    expect((await scene.store.schedules.audit(row.id)).map(({ verb, note }) => [verb, note])).toEqual([
      ["create", null],
      ["edit", "because"],
    ]);
  });

  suite.test("an edit of what was edited, or fired, since it was read is stale and changes nothing", async (scene) => {
    const row = await put(scene);
    await edit(scene, row, { definition: "1" });
    expect(await edit(scene, row, { definition: "2" })).toEqual({ kind: "stale" });
    const newer = await read(scene, row.id);
    expect(newer.definition).toBe("1");
    expect(await fire(scene, moveOf(scene, newer))).toEqual(["fired"]);
    expect(await edit(scene, newer, { definition: "3" })).toEqual({ kind: "stale" });
    expect(await read(scene, row.id)).toMatchObject({ definition: "1", version: 2, lastFiredAt: 1_000 });
    expect(await scene.store.schedules.audit(row.id)).toHaveLength(2);
  });

  suite.test("what is removed is gone, its audit and its executions stay, and its name is free", async (scene) => {
    const row = await put(scene, { name: "nightly" });
    await fire(scene, moveOf(scene, row));
    const remove = () => scene.store.schedules.remove({ id: row.id, actor: person, note: null });
    expect(await remove()).toEqual({ kind: "done" });
    expect(await remove()).toEqual({ kind: "unknown-schedule" });
    expect(await edit(scene, row, {})).toEqual({ kind: "unknown-schedule" });
    expect(await scene.store.schedules.find(row.id)).toBeNull();
    expect((await scene.store.schedules.audit(row.id)).map(({ verb }) => verb)).toEqual(["create", "remove"]);
    expect(await executionsOf(scene, row)).toHaveLength(1);
    await put(scene, { name: "nightly" });
  });

  suite.test("jobs of schedules from code that no live worker has are named", async (scene) => {
    const name = `job-${randomUUID()}`;
    await put(scene, { source: "code", job: name });
    await put(scene, { source: "code", job: job.job });
    await put(scene, { job: "people's own" });
    const worker = await scene.worker();
    expect(await scene.store.schedules.unserved(scene.namespace)).toEqual([name]);
    await scene.store.workers.end(worker.id);
    expect([...(await scene.store.schedules.unserved(scene.namespace))].sort()).toEqual([name, job.job].sort());
  });
}

function testDue(suite: Suite): void {
  suite.test("the longest overdue come first, and what comes next is told", async (scene) => {
    const later = await put(scene, { nextAt: 2_000 });
    const sooner = await put(scene, { nextAt: 1_000 });
    await put(scene, { nextAt: null });
    const now = await scene.store.schedules.now();
    await put(scene, { nextAt: now + 3_600_000 });
    const found = await due(scene);
    expect(idsOf(found.schedules)).toEqual([sooner.id, later.id]);
    expect(found.now).toBeGreaterThanOrEqual(now);
    expect(found.nextInMs).toBeGreaterThan(3_590_000);
    expect(found.nextInMs).toBeLessThanOrEqual(3_600_000);
    expect(await due(scene, { limit: 1 })).toMatchObject({ schedules: [{ id: sooner.id }], nextInMs: 0 });
  });

  suite.test("where nothing is due, only the next one is told, or that there is none", async (scene) => {
    expect(await due(scene)).toMatchObject({ schedules: [], nextInMs: null });
    await put(scene, { nextAt: (await scene.store.schedules.now()) + 3_600_000 });
    const { schedules, nextInMs } = await due(scene);
    expect(schedules).toEqual([]);
    expect(nextInMs).toBeGreaterThan(3_590_000);
  });

  suite.test("a paused one is not due, whoever paused it, nor one of another namespace", async (scene) => {
    await put(scene, { paused: "person" });
    await put(scene, { paused: "gone" });
    await put(scene, { namespace: `${scene.namespace}-2` }).catch(() => {});
    expect(await due(scene)).toMatchObject({ schedules: [], nextInMs: null });
  });

  suite.test("one that needs code is due only where its name is known", async (scene) => {
    const row = await put(scene, { name: "nightly", source: "code", needsCode: true });
    const plainOne = await put(scene, { name: "weekly", source: "code" });
    expect(idsOf((await due(scene)).schedules)).toEqual([plainOne.id]);
    expect(idsOf((await due(scene, { names: ["other", "nightly"] })).schedules).toSorted()).toEqual(
      [row.id, plainOne.id].toSorted(),
    );
  });
}

function testFiring(suite: Suite): void {
  suite.test("a fire moves the row and inserts its execution, which says whose fire it is", async (scene) => {
    const row = await put(scene);
    const move = moveOf(scene, row, { nextAt: 2_000 });
    expect(await fire(scene, move)).toEqual(["fired"]);
    expect(await read(scene, row.id)).toMatchObject({ nextAt: 2_000, lastFiredAt: 1_000, version: 1 });
    expect(only(await executionsOf(scene, row))).toMatchObject({
      id: only(move.starts).id,
      key: `${row.id}@1000`,
      status: "ready",
      schedule: row.id,
      scheduledAt: 1_000,
    });
    const worker = await scene.worker();
    const claimed = await scene.claimOne(worker);
    expect(claimed.id).toBe(only(move.starts).id);
    expect(plain(claimed.input)).toEqual([7]);
  });

  suite.test("others have no schedule, and a start by hand has one and no time", async (scene) => {
    const row = await put(scene);
    const { id } = await scene.start();
    expect(await scene.find(id)).toMatchObject({ schedule: null, scheduledAt: null });
    const byHand = await scene.start({ scheduled: { schedule: row.id, at: null } });
    expect(await scene.find(byHand.id)).toMatchObject({ schedule: row.id, scheduledAt: null });
    const withSlot = await scene.start({ concurrencyKey: "x", scheduled: { schedule: row.id, at: null } });
    const found = idsOf(await executionsOf(scene, row));
    expect(found).toEqual([withSlot.id, byHand.id].toSorted().toReversed());
  });

  suite.test("whoever owns it is told its planned time: by claim, adoption and rescue", async (scene) => {
    const row = await put(scene);
    await fire(scene, moveOf(scene, row));
    const worker = await scene.worker();
    const { id, token, scheduledAt } = await scene.claimOne(worker);
    expect(scheduledAt).toBe(1_000);
    const orphans = [{ executionId: id, token }];
    expect(only(await scene.store.workers.adopt({ worker: worker.id, orphans }))).toMatchObject({ id, scheduledAt });
    const { claimed } = await scene.rescue(await scene.crash(worker));
    expect(only(claimed)).toMatchObject({ id, scheduledAt });
    const elsewhere = await scene.start({ scheduled: { schedule: null, at: 2_000 } });
    expect(await scene.find(elsewhere.id)).toMatchObject({ schedule: null, scheduledAt: 2_000 });
    expect(await scene.claimOne(await scene.worker())).toMatchObject({ id: elsewhere.id, scheduledAt: 2_000 });
  });

  suite.test("the same move again is lost: nothing is fired twice", async (scene) => {
    const row = await put(scene);
    expect(await fire(scene, moveOf(scene, row))).toEqual(["fired"]);
    expect(await fire(scene, moveOf(scene, row))).toEqual(["lost"]);
    expect(await executionsOf(scene, row)).toHaveLength(1);
  });

  suite.test("after retention took execution and key, the move that was seen before is still lost", async (scene) => {
    const row = await put(scene);
    await fire(scene, moveOf(scene, row));
    const worker = await scene.worker();
    await scene.complete(leaseOf(await scene.claimOne(worker)));
    await until("retention", async () => {
      await scene.prune();
      return (await executionsOf(scene, row)).length === 0 ? true : undefined;
    });
    expect(await fire(scene, moveOf(scene, row))).toEqual(["lost"]);
    expect(await executionsOf(scene, row)).toEqual([]);
  });

  suite.test("a batch is told row by row, and what is lost inserts nothing", async (scene) => {
    const rows = await Promise.all([0, 1, 2, 3].map(() => put(scene)));
    const [a, b, c, d] = rows as [ScheduleRow, ScheduleRow, ScheduleRow, ScheduleRow];
    await edit(scene, a, { definition: "other" });
    await edit(scene, b, { paused: "person" });
    await scene.store.schedules.remove({ id: c.id, actor: person, note: null });
    expect(await fire(scene, ...rows.map((row) => moveOf(scene, row)))).toEqual(["lost", "lost", "lost", "fired"]);
    const counts = await Promise.all(rows.map(async (row) => (await executionsOf(scene, row)).length));
    expect(counts).toEqual([0, 0, 0, 1]);
    expect(await read(scene, d.id)).toMatchObject({ nextAt: never });
  });

  suite.test("an empty batch is no error", async (scene) => {
    expect(await scene.store.schedules.fire([])).toEqual([]);
  });

  suite.test("several times at once are several executions; none at all only moves the row", async (scene) => {
    const row = await put(scene);
    const starts = [1_000, 2_000, 3_000].map((at) => fireOf(scene, row, at));
    expect(await fire(scene, moveOf(scene, row, { starts, firedAt: 3_000, nextAt: 4_000 }))).toEqual(["fired"]);
    expect((await executionsOf(scene, row)).map(({ scheduledAt }) => scheduledAt).toSorted()).toEqual([
      1_000, 2_000, 3_000,
    ]);
    const newer = await read(scene, row.id);
    expect(await fire(scene, moveOf(scene, newer, { starts: [], nextAt: null }))).toEqual(["fired"]);
    expect(await read(scene, row.id)).toMatchObject({ nextAt: null, lastFiredAt: 4_000 });
    expect(await executionsOf(scene, row)).toHaveLength(3);
  });

  suite.test("the last fire never falls", async (scene) => {
    const row = await put(scene, { nextAt: 9_000 });
    await fire(scene, moveOf(scene, row, { nextAt: 10_000 }));
    const newer = await read(scene, row.id);
    expect(await fire(scene, moveOf(scene, newer, { firedAt: 500, nextAt: 11_000, starts: [] }))).toEqual(["fired"]);
    expect((await read(scene, row.id)).lastFiredAt).toBe(9_000);
    const newest = await read(scene, row.id);
    expect(await fire(scene, moveOf(scene, newest, { firedAt: null, nextAt: 12_000, starts: [] }))).toEqual(["fired"]);
    expect((await read(scene, row.id)).lastFiredAt).toBe(9_000);
  });

  suite.test("a key that is taken counts as fired", async (scene) => {
    const row = await put(scene);
    const { id } = await scene.start({ key: `${row.id}@1000` });
    expect(await fire(scene, moveOf(scene, row))).toEqual(["fired"]);
    expect(await executionsOf(scene, row)).toEqual([]);
    expect(await scene.find(id)).toMatchObject({ schedule: null });
    expect(await read(scene, row.id)).toMatchObject({ nextAt: never });
  });

  suite.test("attributes are found again", async (scene) => {
    const row = await put(scene);
    const starts = [1, 2].map((at) => fireOf(scene, row, at, { attributes: at === 1 ? { city: "Aachen" } : {} }));
    await fire(scene, moveOf(scene, row, { starts }));
    const found = await scene.store.reads.list({
      namespace: scene.namespace,
      attribute: ["city", "Aachen"],
      schedule: row.id,
      limit: 10,
    });
    expect(found.map(({ scheduledAt }) => scheduledAt)).toEqual([1]);
  });

  suite.test("an execution that wants a slot gets it, waits for it, or is discarded", async (scene) => {
    const row = await put(scene);
    const start = (at: number, blocking: "serial" | "discard-new") =>
      fireOf(scene, row, at, { concurrencyKey: row.id, blocking });
    await fire(scene, moveOf(scene, row, { starts: [start(1, "serial")], nextAt: 2_000 }));
    await fire(scene, moveOf(scene, await read(scene, row.id), { starts: [start(2, "serial")], nextAt: 3_000 }));
    await fire(scene, moveOf(scene, await read(scene, row.id), { starts: [start(3, "discard-new")], nextAt: 4_000 }));
    const states = (await executionsOf(scene, row)).map(({ scheduledAt, status }) => [scheduledAt, status]);
    expect(states.toSorted()).toEqual([
      [1, "ready"],
      [2, "waiting"],
      [3, "discarded"],
    ]);
    const worker = await scene.worker();
    await scene.complete(leaseOf(await scene.claimOne(worker)), { holdsSlot: true });
    expect((await scene.claimOne(worker)).key).toBe(`${row.id}@2`);
  });

  suite.test("one that replaces the running execution cancels it", async (scene) => {
    const row = await put(scene);
    const start = (at: number) => fireOf(scene, row, at, { concurrencyKey: row.id, blocking: "replace-running" });
    const first = start(1);
    await fire(scene, moveOf(scene, row, { starts: [first], nextAt: 2_000 }));
    const newer = await read(scene, row.id);
    expect(await fire(scene, moveOf(scene, newer, { starts: [start(2)], nextAt: 3_000 }))).toEqual(["fired"]);
    expect(await fire(scene, moveOf(scene, newer, { starts: [start(2)], nextAt: 3_000 }))).toEqual(["lost"]);
    expect((await scene.find(first.id)).cancel).toBe("replaced");
    expect(await executionsOf(scene, row)).toHaveLength(2);
  });
}

function testFixedDelay(suite: Suite): void {
  suite.test("the next time is asked for when the execution has ended, whatever became of it", async (scene) => {
    const worker = await scene.worker();
    const row = await put(scene);
    const move = moveOf(scene, row, { nextAt: null, awaits: only(moveOf(scene, row).starts).id });
    const start = { ...only(move.starts), id: move.awaits as string, root: move.awaits as string };
    expect(await fire(scene, { ...move, starts: [start] })).toEqual(["fired"]);
    expect(await due(scene)).toMatchObject({ schedules: [], nextInMs: null });
    expect(await ended(scene)).toEqual([]);
    const { id } = await scene.claimOne(worker);
    expect(await ended(scene)).toEqual([]);
    await scene.kill(id);
    const { schedule, endedAt } = only(await ended(scene));
    expect(schedule).toMatchObject({ id: row.id, awaits: id, nextAt: null, lastFiredAt: 1_000 });
    expect(endedAt).toBe((await scene.find(id)).endedAt);
    const next = moveOf(scene, schedule, { nextAt: endedAt + 500, firedAt: null, awaits: null, lastEndedAt: endedAt });
    expect(await fire(scene, next)).toEqual(["fired"]);
    expect(await fire(scene, next)).toEqual(["lost"]);
    expect(await ended(scene)).toEqual([]);
    expect(await read(scene, row.id)).toMatchObject({
      ...{ nextAt: endedAt + 500, awaits: null, lastEndedAt: endedAt, lastFiredAt: 1_000 },
    });
  });

  suite.test("one that retention took, or that never came to be, has ended", async (scene) => {
    const row = await put(scene, { nextAt: null, awaits: newId() });
    const now = await scene.store.schedules.now();
    const { schedule, endedAt } = only(await ended(scene));
    expect(schedule.id).toBe(row.id);
    expect(endedAt).toBeGreaterThanOrEqual(now);
  });

  suite.test("a paused one awaits nothing, and one that needs code only where that is", async (scene) => {
    await put(scene, { nextAt: null, awaits: newId(), paused: "person" });
    const row = await put(scene, { nextAt: null, awaits: newId(), name: "nightly", needsCode: true });
    expect(await ended(scene)).toEqual([]);
    const { namespace } = scene;
    const found = await scene.store.schedules.ended({ namespace, names: ["nightly"], limit: 10 });
    expect(found.map(({ schedule }) => schedule.id)).toEqual([row.id]);
  });
}

function testRaces(suite: Suite): void {
  suite.test(
    "two centers that fire the same rows fire each exactly once, and lose none",
    async (scene) => {
      const there = scene.through(suite.second);
      const rowCount = 40;
      const rows = await Promise.all(Array.from({ length: rowCount }, (_, n) => put(scene, { nextAt: 1_000 + n })));
      const steps = 5;
      /** As a center does: reads what is due, fires it, until every row has taken all its steps. */
      const work = async (center: Scene): Promise<void> => {
        for (;;) {
          const { schedules } = await due(center, { limit: 15 });
          if (schedules.length === 0 && (await due(center)).schedules.length === 0) return;
          const moves = schedules.map((row) => {
            const at = row.nextAt as number;
            return moveOf(center, row, { nextAt: at >= 1_000 * steps ? never : at + 1_000 });
          });
          await center.store.schedules.fire(moves).catch((error: unknown) => {
            if ((error as { code?: unknown }).code !== "STORE_CONFLICT") throw error;
          });
        }
      };
      await Promise.all([work(scene), work(there), work(scene), work(there)]);
      for (const row of rows) {
        const times = (await executionsOf(scene, row)).map(({ scheduledAt }) => scheduledAt as number);
        const first = row.nextAt as number;
        expect(times.toSorted((a, b) => a - b)).toEqual(
          Array.from({ length: steps }, (_, n) => first + 1_000 * n).filter((at) => at < 1_000 * (steps + 1)),
        );
      }
    },
    "second",
  );

  suite.test(
    "a pause beside a fire: either the fire was first and the pause is stale, or nothing is fired",
    async (scene) => {
      const there = scene.through(suite.second);
      for (let round = 0; round < 20; round++) {
        const row = await put(scene);
        const [[fired], paused] = await Promise.all([
          fire(there, moveOf(there, row)),
          edit(scene, row, { paused: "person" }),
        ]);
        const after = await read(scene, row.id);
        const executionCount = (await executionsOf(scene, row)).length;
        if (paused.kind === "done") expect([fired, executionCount, after.paused]).toEqual(["lost", 0, "person"]);
        else expect([paused.kind, fired, executionCount, after.paused]).toEqual(["stale", "fired", 1, null]);
      }
    },
    "second",
  );

  suite.test(
    "of two that put one name at once, one creates it and the other is told so",
    async (scene) => {
      for (let round = 0; round < 10; round++) {
        const name = `name-${round}`;
        const mine = scheduleIn(scene, { name });
        const other = scheduleIn(scene, { name });
        const insist = async (store: Scene["store"], schedule: NewSchedule) => {
          for (;;)
            try {
              return await store.schedules.put(schedule, person);
            } catch (error) {
              if ((error as { code?: unknown }).code !== "STORE_CONFLICT") throw error;
            }
        };
        const outcomes = await Promise.all([insist(scene.store, mine), insist(suite.second, other)]);
        const winner = await scene.store.schedules.findByName({ namespace: scene.namespace, name });
        expect(outcomes.map(({ kind }) => kind).toSorted()).toEqual(["created", "exists"]);
        expect(outcomes.find(({ kind }) => kind === "exists")).toEqual({ kind: "exists", id: winner?.id });
      }
    },
    "second",
  );
}
