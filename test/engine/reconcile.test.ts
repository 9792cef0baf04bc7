import { cron, every, job, NonRetryableError, type RowsWanted, reconcile, type Store } from "makegood";
import { describe, expect, it } from "vitest";
import * as z from "zod";
import { defineReconciler } from "../../src/engine/reconcile/reconcile.ts";
import { describeEngine } from "./harness.ts";
import { mortal } from "./mortal.ts";

interface Row {
  readonly id: string;
  readonly badSince: number;
}
const Input = z.object({ id: z.string() });
const rowsOf = (...ids: readonly string[]): Row[] => ids.map((id) => ({ id, badSince: Date.now() }));

/** A table of the user's: bad rows, found as SQL would find them. */
function table(rows: Row[]) {
  const asked: RowsWanted[] = [];
  const find = (wanted: RowsWanted): readonly Row[] => {
    asked.push(wanted);
    return rows
      .filter((row) => row.badSince > wanted.since.getTime() && row.id > (wanted.after ?? ""))
      .toSorted((a, b) => (a.id < b.id ? -1 : 1))
      .slice(0, wanted.limit);
  };
  return {
    rows,
    asked,
    find,
    cure: (id: string) =>
      void rows.splice(
        rows.findIndex((row) => row.id === id),
        1,
      ),
  };
}

/** Not in a test: `every("5m")` strikes at each full five minutes, wherever the test is by then. */
const never = cron("0 0 0 1 1 ? 2099");
const common = { schedule: never, window: "1h", key: (row: Row) => row.id } as const;
const input = (row: Row) => ({ id: row.id });

describeEngine("a reconciler", (newScene) => {
  it("starts one fix for each row it finds, page by page, and tells what it did", async () => {
    const scene = newScene();
    const bad = table(rowsOf("a", "b", "c", "d", "e"));
    const fixed: string[] = [];
    const fix = job("fix", { input: Input }, async (_ctx, { id }) => {
      fixed.push(id);
      bad.cure(id);
    });
    const sweep = reconcile("sweep", { ...common, find: bad.find, fix, input, pageSize: 2 });
    const app = scene.app({}, fix, sweep);
    await app.run();
    const scan = await app.start(sweep, undefined, { actor: { kind: "user", id: "ann" } });
    expect(await scan.result()).toMatchObject({ rows: 5, started: 5, retried: 0, isFinished: true });
    await expect.poll(() => fixed.toSorted()).toEqual(["a", "b", "c", "d", "e"]);
    expect(bad.asked.map(({ after, limit }) => [after, limit])).toEqual([
      [null, 2],
      ["b", 2],
      ["d", 2],
    ]);
    const children = await app.list({ parent: scan.id });
    expect(children.map(({ job, key }) => `${job} ${key}`).toSorted()).toEqual(
      ["a", "b", "c", "d", "e"].map((id) => `fix ${id}`),
    );
    // Who started it, when, and what became of it; of the scan as of each fix.
    const told = async (id: string) => {
      const { startedBy, execution } = await app.history(id);
      return { by: startedBy?.id, ...execution };
    };
    expect(await told(scan.id)).toMatchObject({ by: "ann", status: "completed", endedAt: expect.any(Number) });
    for (const { id } of children)
      expect(await told(id)).toMatchObject({ by: `execution:${scan.id}`, createdAt: expect.any(Number) });
    expect(await (await app.start(sweep, undefined)).result()).toMatchObject({ rows: 0, started: 0 });
  });

  it("goes on in the next scan where one has taken as many pages as a scan may, and starts each fix once", async () => {
    const scene = newScene();
    const bad = table(rowsOf("a", "b", "c", "d", "e"));
    const fix = job("fix", { input: Input }, async () => {});
    const sweep = defineReconciler("sweep", { ...common, find: bad.find, fix, input, pageSize: 2 }, 2);
    const app = scene.app({}, fix, sweep);
    await app.run();
    const first = await (await app.start(sweep, undefined)).result();
    expect(first).toMatchObject({ rows: 4, started: 4, isFinished: false });
    const second = await (await app.start(sweep, undefined)).result();
    expect(second).toMatchObject({ rows: 1, started: 1, isFinished: true, since: first.since });
    expect(bad.asked.map(({ after }) => after)).toEqual([null, "b", "d"]);
  });

  it("never has two fixes of a row under way, however many scans and processes there are", async () => {
    const scene = newScene();
    const bad = table(rowsOf("a", "b", "c"));
    const underWay = new Set<string>();
    let release = (): void => undefined;
    const gate = new Promise<void>((resolve) => {
      release = resolve;
    });
    let together = 0;
    const fix = job("fix", { input: Input }, async (ctx, { id }) => {
      await ctx.step("cure", {
        run: async () => {
          if (underWay.has(id)) together++;
          underWay.add(id);
          await gate;
          underWay.delete(id);
          bad.cure(id);
        },
        irreversible: "test",
      });
    });
    const sweep = reconcile("sweep", { ...common, find: bad.find, fix, input });
    const apps = [scene.app({}, fix, sweep), scene.app({}, fix, sweep)];
    for (const app of apps) await app.run();
    const first = await apps[0]?.start(sweep, undefined);
    expect(await first?.result()).toMatchObject({ started: 3 });
    for (let n = 0; n < 3; n++)
      for (const app of apps)
        expect(await (await app.start(sweep, undefined)).result()).toMatchObject({ started: 0, underWay: 3 });
    release();
    await expect.poll(() => bad.rows.length).toBe(0);
    expect(together).toBe(0);
    expect(await apps[0]?.list({ job: "fix" })).toHaveLength(3);
  });

  it("is started by its schedule", async () => {
    const scene = newScene();
    const bad = table(rowsOf("a"));
    const fix = job("fix", { input: Input }, async (_ctx, { id }) => bad.cure(id));
    const sweep = reconcile("sweep", { ...common, schedule: every("1s"), find: bad.find, fix, input });
    const app = scene.app({}, fix, sweep);
    await app.run();
    await expect.poll(() => bad.rows, { timeout: 10_000 }).toEqual([]);
    bad.rows.push(...rowsOf("b"));
    await expect.poll(() => bad.rows, { timeout: 10_000 }).toEqual([]);
  });

  it("lets one scan run at a time", async () => {
    const scene = newScene();
    let enter = (): void => undefined;
    const held = new Promise<void>((resolve) => {
      enter = resolve;
    });
    const fix = job("fix", { input: Input }, async () => {});
    const find = async (): Promise<readonly Row[]> => {
      await held;
      return [];
    };
    const sweep = reconcile("sweep", { ...common, find, fix, input });
    const app = scene.app({}, fix, sweep);
    await app.run();
    const [one, other] = [await app.start(sweep, undefined), await app.start(sweep, undefined)];
    expect(await other.outcome()).toEqual({ state: "discarded" });
    enter();
    expect(await one.outcome()).toMatchObject({ state: "completed" });
  });

  it("finds what turned bad while no process ran, whatever the length of the pause", async () => {
    const scene = newScene();
    const bad = table([]);
    const fix = job("fix", { input: Input }, async (_ctx, { id }) => bad.cure(id));
    const sweep = reconcile("sweep", { ...common, window: "1s", find: bad.find, fix, input });
    const app = scene.app({}, fix, sweep);
    await app.run();
    await (await app.start(sweep, undefined)).result();
    bad.rows.push(...rowsOf("lost"));
    // More than the window: a scan of the last second would not see it.
    await new Promise((resolve) => setTimeout(resolve, 1_200));
    expect(await (await app.start(sweep, undefined)).result()).toMatchObject({ started: 1 });
    await expect.poll(() => bad.rows).toEqual([]);
  });

  it("is not misled by a scan that failed: what that one did not see, the next one does", async () => {
    const scene = newScene();
    const bad = table([]);
    let isBroken = false;
    const fix = job("fix", { input: Input }, async () => {});
    const find = (wanted: RowsWanted): readonly Row[] => {
      if (isBroken) throw new NonRetryableError("no connection");
      return bad.find(wanted);
    };
    const sweep = reconcile("sweep", { ...common, window: "1s", find, fix, input });
    const app = scene.app({}, fix, sweep);
    await app.run();
    const begun = await (await app.start(sweep, undefined)).result();
    bad.rows.push(...rowsOf("a"));
    isBroken = true;
    expect(await (await app.start(sweep, undefined)).outcome()).toMatchObject({ state: "failed" });
    await new Promise((resolve) => setTimeout(resolve, 1_200));
    isBroken = false;
    const next = await (await app.start(sweep, undefined)).result();
    expect(next).toMatchObject({ started: 1, mark: { previousAt: begun.mark.startedAt } });
  });

  it("tries again what failed, until the window closes, and then asks a person, once", async () => {
    const scene = newScene();
    const bad = table(rowsOf("a"));
    let runs = 0;
    const fix = job("fix", { input: Input }, async () => {
      runs++;
      throw new NonRetryableError("out of stock", { code: "OUT_OF_STOCK" });
    });
    const sweep = reconcile("sweep", { ...common, window: "5s", find: bad.find, fix, input });
    const app = scene.app({}, fix, sweep);
    await app.run();
    const scan = async () => {
      const result = await (await app.start(sweep, undefined)).result();
      await expect
        .poll(async () => (await app.list({ job: "fix" })).every(({ state }) => state === "failed"))
        .toBe(true);
      return result;
    };
    expect(await scan()).toMatchObject({ started: 1, retried: 0 });
    expect(await scan()).toMatchObject({ started: 0, retried: 1 });
    expect(await scan()).toMatchObject({ retried: 1, givenUp: 0 });
    expect(runs).toBe(3);
    expect((await app.list({ job: "fix" })).map(({ key, round }) => [key, round])).toEqual([
      ["a", 2],
      ["a", 1],
      ["a", 0],
    ]);
    await new Promise((resolve) => setTimeout(resolve, 5_100));
    expect(await scan()).toMatchObject({ retried: 0, givenUp: 1 });
    await expect.poll(async () => (await app.incidents()).length).toBe(1);
    expect(await app.incidents()).toMatchObject([
      { code: "NOT_MADE_GOOD", error: { details: { row: "a", fix: "fix", error: { code: "OUT_OF_STOCK" } } } },
    ]);
    // Once a person was asked it may be out of sight; it is not while it still turns up.
    bad.rows.splice(0, 1, ...rowsOf("a"));
    expect(await scan()).toMatchObject({ givenUp: 0, withPerson: 1 });
    expect(runs).toBe(3);
    expect(await app.incidents()).toHaveLength(1);
  });

  it("ends the incident when the fix was restarted and completed, and watches the row afresh when it is settled", async () => {
    const scene = newScene();
    const bad = table([]);
    let isBroken = true;
    const fix = job("fix", { input: Input }, async (_ctx, { id }) => {
      if (isBroken) throw new NonRetryableError("no");
      bad.cure(id);
    });
    const sweep = reconcile("sweep", { ...common, window: "1s", find: bad.find, fix, input });
    const app = scene.app({}, fix, sweep);
    await app.run();
    const scan = async () => (await app.start(sweep, undefined)).result();
    // Not before: the window is short, and to come up may take longer.
    bad.rows.push(...rowsOf("a", "b"));
    await scan();
    await new Promise((resolve) => setTimeout(resolve, 1_100));
    expect(await scan()).toMatchObject({ givenUp: 2 });
    await expect.poll(async () => (await app.incidents()).length).toBe(2);
    isBroken = false;
    const asked = await app.list({ job: "sweep/given-up" });
    const askedOf = (row: string) => asked[asked.findIndex((_, at) => inputs[at]?.row === row)]?.id ?? "";
    const inputs = await Promise.all(
      asked.map(async ({ id }) => (await app.history(id)).input as { readonly row: string }),
    );
    const [failed] = await app.list({ job: "fix", key: "a" });
    await (await app.restart(failed?.id ?? "")).result();
    await app.retry(askedOf("a"));
    expect(await app.execution(askedOf("a")).outcome()).toMatchObject({ state: "completed" });
    await app.settle(askedOf("b"), { outcome: "completed" });
    expect(await scan()).toMatchObject({ rows: 1, started: 1 });
    await expect.poll(() => bad.rows).toEqual([]);
    expect(await app.incidents()).toEqual([]);
  });

  it("fixes a row again that turned bad again", async () => {
    const scene = newScene();
    const bad = table(rowsOf("a"));
    const fix = job("fix", { input: Input }, async (_ctx, { id }) => bad.cure(id));
    const sweep = reconcile("sweep", { ...common, find: bad.find, fix, input });
    const app = scene.app({}, fix, sweep);
    await app.run();
    for (const key of ["a", "a#2", "a#3"]) {
      expect(await (await app.start(sweep, undefined)).result()).toMatchObject({ rows: 1, started: 1 });
      await expect.poll(() => bad.rows.length).toBe(0);
      await expect.poll(async () => (await app.list({ job: "fix", key }))[0]?.status).toBe("completed");
      // It is good for the whole of a scan, then bad again.
      expect(await (await app.start(sweep, undefined)).result()).toMatchObject({ rows: 0 });
      bad.rows.push(...rowsOf("a"));
    }
  });

  it("asks a person when a fix that has a key of its own completed and the row is bad", async () => {
    const scene = newScene();
    const bad = table(rowsOf("a"));
    const fix = job("fix", { input: Input, key: ({ id }) => id }, async () => {});
    const sweep = reconcile("sweep", { ...common, find: bad.find, fix, input });
    const app = scene.app({}, fix, sweep);
    await app.run();
    const execution = await app.start(fix, { id: "a" });
    await execution.result();
    await expect
      .poll(async () => (await (await app.start(sweep, undefined)).result()).givenUp, { interval: 20 })
      .toBe(1);
    await expect.poll(async () => (await app.incidents()).map(({ code }) => code)).toEqual(["NOT_MADE_GOOD"]);
    expect(await app.list({ job: "fix" })).toHaveLength(1);
  });

  it("goes on with the other rows where the input of one is refused, and asks a person about that one", async () => {
    const scene = newScene();
    const bad = table(rowsOf("a", "b"));
    const fix = job("fix", { input: z.object({ id: z.enum(["a"]) }) }, async (_ctx, { id }) => bad.cure(id));
    const sweep = reconcile("sweep", { ...common, find: bad.find, fix, input: (row: Row) => ({ id: row.id as "a" }) });
    const app = scene.app({}, fix, sweep);
    await app.run();
    expect(await (await app.start(sweep, undefined)).result()).toMatchObject({ started: 1, givenUp: 1 });
    await expect
      .poll(() => app.incidents())
      .toMatchObject([{ error: { details: { row: "b", error: { code: "INPUT_INVALID" } } } }]);
  });

  it("repeats only the page under way when its process dies, and starts nothing twice", async () => {
    const scene = newScene();
    const bad = table(rowsOf("a", "b", "c", "d", "e"));
    const dying = mortal(scene.store());
    const fix = job("fix", { input: Input }, async () => {});
    const sweep = reconcile("sweep", { ...common, find: bad.find, fix, input, pageSize: 2 });
    // The fixes of the second page are started; that the page is done is never recorded.
    const store = before(dying.store, "page:2", () => dying.kill());
    const first = scene.app({ store, workerName: "w" }, sweep);
    await first.run();
    const { id } = await first.start(sweep, undefined);
    await expect.poll(() => bad.asked.length).toBe(2);
    const second = scene.app({ workerName: "w" }, sweep);
    await expect.poll(async () => (await second.list({ job: "fix" })).length).toBe(4);
    await second.run();
    expect(await second.execution(id).result()).toMatchObject({ rows: 5, started: 3, underWay: 2, isFinished: true });
    const keys = (await second.list({ job: "fix" })).map(({ key }) => key);
    expect(keys.toSorted()).toEqual(["a", "b", "c", "d", "e"]);
    expect(bad.asked.map(({ after }) => after)).toEqual([null, "b", "b", "d"]);
  });
});

/** The store, which does `strike` instead of recording this step. */
function before(store: Store, step: string, strike: () => void): Store {
  const executions = new Proxy(store.executions, {
    get: (target, method) => {
      const call = Reflect.get(target, method) as (...args: readonly unknown[]) => Promise<unknown>;
      if (method !== "commit") return call;
      return async (...args: readonly unknown[]) => {
        const writes = args[1] as readonly { readonly records?: readonly { readonly step: string }[] }[];
        if (writes.some(({ records = [] }) => records.some((record) => record.step === step))) strike();
        return call(...args);
      };
    },
  });
  return new Proxy(store, {
    get: (target, name) => (name === "executions" ? executions : Reflect.get(target, name)),
  });
}

describeEngine("a page that cannot be right fails the scan with OPTION_INVALID:", (newScene) => {
  const fails = async (find: (wanted: RowsWanted) => unknown, message: RegExp, key = common.key) => {
    const scene = newScene();
    const fix = job("fix", { input: Input }, async () => {});
    const sweep = reconcile("sweep", { ...common, key, find: find as never, fix, input, pageSize: 2 });
    const app = scene.app({}, fix, sweep);
    await app.run();
    const outcome = await (await app.start(sweep, undefined)).outcome();
    expect(outcome).toMatchObject({ state: "failed", error: { code: "OPTION_INVALID" } });
    expect("error" in outcome && outcome.error.message).toMatch(message);
    return app;
  };

  it("two rows of one key, and nothing of the page is started", async () => {
    const app = await fails(() => rowsOf("a", "a"), /another key for each row of a page, found "a" twice/);
    expect(await app.list({ job: "fix" })).toEqual([]);
  });
  it("more rows than were asked for", () => fails(() => rowsOf("a", "b", "c"), /at most 2 rows, found 3/));
  it("the same page again", () => fails(() => rowsOf("a", "b"), /rows behind "b", found that row again/));
  it("no array", () => fails(() => ({ rows: [] }), /an array of rows, found an object/));
  it("a key that is no text", () => fails(() => [{}], /key: A business key must be a text/));
  it("a key that looks like that of a later case", () => fails(() => rowsOf("a#2"), /does not end in # and a number/));
});

describe("the definition of a reconciler is refused where", () => {
  const fix = job("fix", { input: Input }, async () => {});
  const good = { ...common, find: () => [], fix, input };
  it.each<readonly [string, object, RegExp]>([
    ["an option is unknown", { windows: 1 }, /Did you mean window/],
    ["the window is no duration", { window: "ten" }, /window: expected a duration/],
    ["the window is longer than what was tried is kept", { window: "60d" }, /at most the retention of job fix/],
    ["there is no fix", { fix: undefined }, /fix: expected a job/],
    ["find is no function", { find: [] }, /find: expected a function/],
    ["a page has no rows", { pageSize: 0 }, /pageSize: expected an integer from 1 to 1000/],
    ["the schedule is none", { schedule: "5m" }, /expected triggers such as cron/],
  ])("%s", (_, wrong, message) => {
    expect(() => reconcile("sweep", { ...good, ...wrong } as never)).toThrow(message);
  });
});
