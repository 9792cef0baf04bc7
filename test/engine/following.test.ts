// Jobs that follow others: started once for each end, for the first or for the last of an occasion, with what those ended with.
import { at, cron, job, onAllCompleted, onAnyCompleted, onCompleted, type Schema, type ShownRow } from "makegood";
import { expect, test } from "vitest";
import { describeEngine, logged, quietLog, type Scene } from "./harness.ts";

// biome-ignore lint/suspicious/noExplicitAny: any input
const anything: Schema<any, any> = {
  "~standard": { version: 1, vendor: "test", validate: (value: unknown) => ({ value }) },
};
const patient = { timeout: 15_000, interval: 20 };
const aMoment = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 300));

type App = ReturnType<Scene["app"]>;

const counting = (name: string) => job(name, { input: anything }, async (_, input: number) => input * 10);
const seenBy = (ran: unknown[]) => async (_: unknown, input: unknown) => void ran.push(input);
const runsOf = async (app: App, name: string): Promise<readonly ShownRow[]> =>
  (await app.list({ job: name, limit: 1_000 })).toReversed();

describeEngine("following", (open) => {
  test("each execution that completes starts one, with its result, whoever started it", async () => {
    const [ran, load]: [unknown[], ReturnType<typeof counting>] = [[], counting("load")];
    const report = job(
      "report",
      { input: anything, on: [onCompleted(load, { input: ({ result, executionId }) => ({ result, executionId }) })] },
      seenBy(ran),
    );
    const app = open().app({}, load, report);
    await app.run();
    const started = [await app.start(load, 1), await app.start(load, 2)];
    await expect.poll(() => ran.length, patient).toBe(2);
    await aMoment();
    const byResult = ran.toSorted((a, b) => (a as { result: number }).result - (b as { result: number }).result);
    expect(byResult).toEqual(started.map(({ id }, n) => ({ result: (n + 1) * 10, executionId: id })));
    const rows = await runsOf(app, "report");
    expect(rows.map(({ root }) => root).toSorted()).toEqual(started.map(({ id }) => id).toSorted());
    expect(rows.map(({ scheduledAt }) => scheduledAt)).toEqual([null, null]);
  });

  test("a process declares what follows before it runs what waits for it", async () => {
    const [scene, ran]: [Scene, unknown[]] = [open(), []];
    const load = counting("load");
    const client = scene.app({ workerName: "client" });
    await client.open();
    for (const input of [1, 2, 3]) await client.start(load, input);
    const report = job(
      "report",
      { input: anything, on: [onCompleted(load, { input: ({ result }) => result })] },
      seenBy(ran),
    );
    await scene.app({ workerName: "worker" }, load, report).run();
    await expect.poll(() => ran.toSorted(), patient).toEqual([10, 20, 30]);
  });

  test("one that fails, is canceled or is killed starts nothing", async () => {
    const ran: unknown[] = [];
    const load = job("load", { input: anything }, async (ctx, input: string) => {
      if (input === "fails") throw new Error("no");
      await ctx.sleep("a while", "1h");
    });
    const report = job("report", { on: [onCompleted(load)] }, async () => void ran.push("ran"));
    const app = open().app({}, load, report);
    await app.run();
    expect((await (await app.start(load, "fails")).outcome()).state).toBe("failed");
    const canceled = await app.start(load, "waits");
    await app.cancel(canceled.id);
    expect((await canceled.outcome()).state).toBe("canceled");
    const killed = await app.start(load, "waits");
    await app.kill(killed.id);
    await killed.outcome();
    await aMoment();
    expect(ran).toEqual([]);
    expect(await app.list({ job: "makegood.after" })).toEqual([]);
  });

  test("all: once an occasion, when the last has completed, with the results in the order of what it follows", async () => {
    const ran: unknown[] = [];
    const top = counting("top");
    const left = job("left", { on: [onCompleted(top)] }, async () => "l");
    let opens = (): void => {};
    const gate = new Promise<void>((resolve) => (opens = resolve));
    const right = job(
      "right",
      { input: anything, on: [onCompleted(top, { input: ({ result }) => result })] },
      async (_, input: number) => {
        await gate;
        return input + 1;
      },
    );
    const join = job(
      "join",
      {
        input: anything,
        on: [onAllCompleted([right, left], { input: ([a, b]) => [a.result, b.result, a.job, b.job] })],
      },
      seenBy(ran),
    );
    const app = open().app({}, top, left, right, join);
    await app.run();
    const begun = await app.start(top, 1);
    await expect
      .poll(async () => (await runsOf(app, "join/after")).map(({ status }) => status), patient)
      .toEqual(["completed"]);
    expect(ran).toEqual([]);
    opens();
    await expect.poll(() => ran.length, patient).toBe(1);
    await app.start(top, 2);
    await expect.poll(() => ran.length, patient).toBe(2);
    await aMoment();
    expect(ran).toEqual([
      [11, "l", "right", "left"],
      [21, "l", "right", "left"],
    ]);
    expect((await runsOf(app, "join"))[0]?.root).toBe(begun.id);
  });

  test("all, of schedules that fire at the same planned time: that time is the occasion, handed down a chain", async () => {
    const ran: unknown[] = [];
    const when = at("2020-01-01T00:00:00Z");
    const [a, b] = [job("a", { on: [when] }, async () => "a"), job("b", { on: [when] }, async () => "b")];
    const c = job("c", { on: [onCompleted(b)] }, async () => "c");
    const d = job(
      "d",
      {
        input: anything,
        on: [onAllCompleted([a, c], { input: (ends) => ends.map(({ result, scheduledAt }) => [result, scheduledAt]) })],
      },
      seenBy(ran),
    );
    const app = open().app({}, a, b, c, d);
    await app.run();
    await expect.poll(() => ran.length, patient).toBe(1);
    await aMoment();
    const time = new Date("2020-01-01T00:00:00Z");
    expect(ran).toEqual([
      [
        ["a", time],
        ["c", time],
      ],
    ]);
    expect((await runsOf(app, "d")).map(({ scheduledAt }) => scheduledAt)).toEqual([time.getTime()]);
  });

  test("any: the first of an occasion starts it, the others change nothing", async () => {
    const ran: unknown[] = [];
    const top = counting("top");
    const [a, b] = [
      job("a", { on: [onCompleted(top)] }, async () => "a"),
      job("b", { on: [onCompleted(top)] }, async () => "b"),
    ];
    const first = job(
      "first",
      { input: anything, on: [onAnyCompleted([a, b], { input: ({ job: name }) => name })] },
      seenBy(ran),
    );
    const app = open().app({}, top, a, b, first);
    await app.run();
    await app.start(top, 1);
    await expect
      .poll(
        async () => (await runsOf(app, "first/after")).filter(({ status }) => status === "completed").length,
        patient,
      )
      .toBe(2);
    await aMoment();
    expect(ran).toHaveLength(1);
    await app.start(top, 2);
    await expect.poll(() => ran.length, patient).toBe(2);
  });

  test("schedules made by programs follow others by name, by id and by job, are paused, resumed and removed", async () => {
    const ran: unknown[] = [];
    const [load, show] = [counting("load"), job("show", { input: anything }, seenBy(ran))];
    const app = open().app({}, load, show);
    await app.run();
    const nightly = await app.schedules.add(load, cron("0 0 0 1 1 ? 2099"), { name: "nightly", input: 1 });
    const one = await app.schedules.add(show, onCompleted(["nightly"]), { name: "one", input: "by schedule" });
    await app.schedules.add(show, onCompleted(load), { name: "two", input: "by job" });
    expect(one).toMatchObject({ state: "active", nextAt: null, schedule: { join: "each" } });
    expect(one.schedule.after).toEqual([{ job: "load", schedule: nightly.id }]);
    expect((await app.schedules.graph()).map(({ from, to, join }) => [from.name, to.name, join])).toEqual([
      ["nightly", "one", "each"],
      ["load", "two", "each"],
    ]);
    await aMoment();
    await (await app.start(load, 5)).result();
    await expect.poll(() => ran, patient).toEqual(["by job"]);
    await app.schedules.pause("two");
    await aMoment();
    await app.schedules.runOnce("nightly");
    await expect.poll(() => ran, patient).toEqual(["by job", "by schedule"]);
    await expect(app.schedules.remove("nightly")).rejects.toMatchObject({
      code: "SCHEDULE_FOLLOWED",
      details: { schedule: nightly.id, followers: ["one"] },
    });
    await app.schedules.remove("one");
    await app.schedules.resume("two");
    await aMoment();
    await app.schedules.runOnce("nightly");
    await expect.poll(() => ran, patient).toEqual(["by job", "by schedule", "by job"]);
    await aMoment();
    expect(ran).toHaveLength(3);
    await app.schedules.remove("nightly");
  });

  test("what follows in another process is started there, with the input that its code makes", async () => {
    const [scene, ran]: [Scene, unknown[]] = [open(), []];
    const load = counting("load");
    const report = job(
      "report",
      { input: anything, on: [onCompleted(load, { input: ({ result }) => result })] },
      seenBy(ran),
    );
    const center = scene.app({ workerName: "center" }, report);
    await center.run();
    const worker = scene.app({ workerName: "worker", scheduler: false }, load);
    await worker.run();
    await (await worker.start(load, 7)).result();
    await expect.poll(() => ran, patient).toEqual([70]);
    // Its code goes away, and comes back: what ended meanwhile was not in vain.
    await center.stop();
    const other = scene.app({ workerName: "other" });
    await other.run();
    expect((await other.schedules.find("report"))?.paused).toBe("gone");
    await (await worker.start(load, 8)).result();
    const again = scene.app({ workerName: "center" }, report);
    await again.run();
    await expect.poll(() => ran, patient).toEqual([70, 80]);
  });

  test("what the code no longer declares no longer follows, and does again when it is declared again", async () => {
    const [scene, ran]: [Scene, unknown[]] = [open(), []];
    const load = counting("load");
    const report = (on: boolean) =>
      job("report", { input: anything, on: on ? [onCompleted(load)] : [] }, async () => void ran.push("ran"));
    for (const [on, count] of [
      [true, 1],
      [false, 1],
      [true, 2],
    ] as const) {
      const app = scene.app({ workerName: "one" }, load, report(on));
      await app.run();
      await app.start(load, 7);
      await expect.poll(() => ran.length, patient).toBe(count);
      await aMoment();
      expect(ran).toHaveLength(count);
      await app.stop();
    }
  });

  test("a loop is refused where people make it, and at start where code declares it", async () => {
    const scene = open();
    const [a, b] = [job("a", {}, async () => {}), job("b", {}, async () => {})];
    const app = scene.app({}, a, b);
    await app.run();
    await app.schedules.add(b, onCompleted(a), { name: "b-after-a" });
    await expect(app.schedules.add(a, onCompleted(b), { name: "a-after-b" })).rejects.toThrow(
      expect.objectContaining({
        code: "SCHEDULE_LOOP",
        message: expect.stringContaining("a-after-b → b-after-a → a-after-b"),
      }),
    );
    await expect(app.schedules.add(a, onCompleted(a))).rejects.toMatchObject({ code: "SCHEDULE_LOOP" });
    await expect(app.schedules.edit("b-after-a", { on: onCompleted(b) })).rejects.toMatchObject({
      code: "SCHEDULE_LOOP",
    });
    await expect(app.schedules.add(a, onCompleted("nobody"))).rejects.toMatchObject({ code: "SCHEDULE_UNKNOWN" });
    const self: ReturnType<typeof counting> = counting("self");
    const looped = job("self", { on: [onCompleted(self)] }, async () => {});
    await expect(scene.app({}, looped).run()).rejects.toMatchObject({ code: "SCHEDULE_LOOP" });
  });

  test("an input that cannot be made parks the arrival, and is made when a person lets it try again", async () => {
    const [scene, ran]: [Scene, unknown[]] = [open(), []];
    const load = counting("load");
    let isMended = false;
    const input = ({ result }: { readonly result: number }): number => {
      if (!isMended) throw new Error("not yet");
      return result;
    };
    const report = job("report", { input: anything, on: [onCompleted(load, { input })] }, seenBy(ran));
    const app = scene.app({ log: quietLog }, load, report);
    await app.run();
    await app.start(load, 1);
    await expect.poll(async () => (await app.incidents()).length, patient).toBe(1);
    isMended = true;
    await app.resume(((await app.incidents())[0] as { executionId: string }).executionId);
    await expect.poll(() => ran, patient).toEqual([10]);
  });

  test("nothing was logged as an error", () => expect(logged).toEqual([]));
});
