// When a job's function is handed what a step came to: once that is recorded, or with `results: "early"` at once.
import { type Context, job, type Store, type UndoInfo } from "makegood";
import { describe, expect, it } from "vitest";
import type { ExecutionStore } from "../../src/core/store.ts";
import { describeEngine } from "./harness.ts";
import { mortal } from "./mortal.ts";

type Commit = ExecutionStore["commit"];

/** A store whose commits pass through `pass` first. */
function watched(store: Store, pass: (...args: Parameters<Commit>) => Promise<void> | void): Store {
  const executions = new Proxy({} as ExecutionStore, {
    get: (_, name) =>
      name === "commit"
        ? async (...args: Parameters<Commit>) => {
            await pass(...args);
            return store.executions.commit(...args);
          }
        : (...args: readonly unknown[]) =>
            (Reflect.get(store.executions, name) as (...args: readonly unknown[]) => unknown).apply(
              store.executions,
              args as never,
            ),
  });
  return new Proxy(store, {
    get(target, name) {
      if (name === "executions") return executions;
      const value: unknown = Reflect.get(target, name);
      return typeof value === "function" ? value.bind(target) : value;
    },
  });
}

/** A store that holds back each commit with a record of `step` until it is opened. */
function gated(store: Store, step: string) {
  const gate = Promise.withResolvers<void>();
  const holdsBack: Parameters<typeof watched>[1] = (_, writes) =>
    writes.some(({ records }) => records?.some((row) => row.step === step)) ? gate.promise : undefined;
  return { store: watched(store, holdsBack), open: gate.resolve };
}

const irreversible = "test";
const turns = async (count: number): Promise<void> => {
  for (let n = 0; n < count; n++) await new Promise((resolve) => setTimeout(resolve, 5));
};

/** Notes what runs, and what the function hears. */
function twoSteps(results: "recorded" | "early", noted: string[]) {
  const step = (what: string) => ({ run: () => `${noted.push(`${what} runs`)}`, irreversible });
  return job("two-steps", { results }, async (ctx) => {
    await ctx.step("one", step("one"));
    noted.push("one heard");
    await ctx.step("two", step("two"));
    noted.push("two heard");
  });
}

describeEngine("what a step came to", (newScene) => {
  it("is handed over when it is recorded, and not before", async () => {
    const scene = newScene();
    const noted: string[] = [];
    const { store, open } = gated(scene.store(), "one");
    const definition = twoSteps("recorded", noted);
    const app = scene.app({ store }, definition);
    await app.run();
    const execution = await app.start(definition, undefined);
    await expect.poll(() => noted).toEqual(["one runs"]);
    await turns(10);
    expect(noted).toEqual(["one runs"]);
    open();
    await execution.result();
    expect(noted).toEqual(["one runs", "one heard", "two runs", "two heard"]);
  });

  it("is handed over at once where the job wants so; what the function asks for next waits for the record", async () => {
    const scene = newScene();
    const noted: string[] = [];
    const { store, open } = gated(scene.store(), "one");
    const definition = twoSteps("early", noted);
    const app = scene.app({ store }, definition);
    await app.run();
    const execution = await app.start(definition, undefined);
    await expect.poll(() => noted).toEqual(["one runs", "one heard"]);
    await turns(10);
    expect(noted).toEqual(["one runs", "one heard"]);
    open();
    await execution.result();
    expect(noted).toEqual(["one runs", "one heard", "two runs", "two heard"]);
  });

  it.each(["step", "tx", "attempt", "tcc", "pivot", "sleep", "start", "waitFor"] as const)(
    "early: no %s begins before the record of the step before it",
    async (verb) => {
      const scene = newScene();
      const noted: string[] = [];
      const own = await scene.own();
      const { store, open } = gated(scene.store(), "one");
      const run = () => void noted.push("began");
      const body = { run, irreversible };
      const branch = { try: run, confirm: () => {}, cancel: () => {} };
      const child = job("child", {}, run);
      const asks: Record<typeof verb, (ctx: Context) => Promise<unknown>> = {
        step: (ctx) => ctx.step("two", body),
        tx: (ctx) => ctx.tx(own.on, "two", body),
        attempt: (ctx) => ctx.attempt("two", body),
        tcc: (ctx) => ctx.tcc("two", branch),
        pivot: (ctx) => ctx.pivot().then(run),
        sleep: (ctx) => ctx.sleep("two", 1).then(run),
        start: (ctx) => ctx.start(child, undefined),
        waitFor: (ctx) => ctx.waitFor({ name: "go", schema: null }, { timeout: 1 }).then(run),
      };
      const definition = job("asks", { results: "early" }, async (ctx) => {
        await ctx.step("one", { run: () => 1, irreversible });
        noted.push("heard");
        await asks[verb](ctx);
      });
      const app = scene.app({ store }, definition, child);
      await app.run();
      const execution = await app.start(definition, undefined);
      await expect.poll(() => noted).toEqual(["heard"]);
      await turns(10);
      expect(noted).toEqual(["heard"]);
      open();
      await execution.result();
      await expect.poll(() => noted).toEqual(["heard", "began"]);
    },
  );

  it("early: the last record and the end are one write", async () => {
    const scene = newScene();
    const sent: string[][] = [];
    const store = watched(scene.store(), (_, writes) => {
      for (const { records = [], transition } of writes)
        sent.push([...records.map((row) => row.step), ...(transition === undefined ? [] : [transition.name])]);
    });
    const definition = twoSteps("early", []);
    const reserves = job("reserves", { results: "early" }, async (ctx) => {
      await ctx.tcc("seat", { try: () => 1, confirm: () => {}, cancel: () => {} });
    });
    const app = scene.app({ store }, definition, reserves);
    await app.run();
    await (await app.start(definition, undefined)).result();
    expect(sent.splice(0)).toEqual([["one"], ["two", "complete"]]);
    await (await app.start(reserves, undefined)).result();
    expect(sent).toEqual([
      ["seat", "confirm"],
      ["seat", "complete"],
    ]);
  });

  it("early: after a crash before the record the step runs again under its key, and nothing behind it had run", async () => {
    const scene = newScene();
    const noted: string[] = [];
    const definition = job("again", { results: "early" }, async (ctx) => {
      await ctx.step("one", { run: ({ key }) => void noted.push(`one runs under ${key}`), irreversible });
      noted.push("one heard");
      await ctx.step("two", { run: () => void noted.push("two runs"), irreversible });
    });
    const life = mortal(scene.store());
    life.onPoint = (_, call) => {
      if (call === "before executions.commit" && noted.includes("one heard")) life.kill();
    };
    const dying = scene.app({ store: life.store, workerName: "w", lease: "30s" }, definition);
    await dying.run();
    const { id } = await dying.start(definition, undefined);
    await expect.poll(() => life.isDead).toBe(true);
    const first = noted[0];
    expect(noted).toEqual([first, "one heard"]);
    const app = scene.app({ workerName: "w" }, definition);
    await app.run();
    expect(await app.execution(id).outcome()).toMatchObject({ state: "completed" });
    expect(noted).toEqual([first, "one heard", first, "one heard", "two runs"]);
    await life.close();
  });

  it("early: a cancel that was accepted before the end undoes the last step, too, which knows its result", async () => {
    const scene = newScene();
    const undone: UndoInfo<number>[] = [];
    const { store, open } = gated(scene.store(), "one");
    const definition = job("canceled", { results: "early" }, async (ctx) => {
      await ctx.step("one", { run: () => 7, compensate: (undo) => void undone.push(undo) });
    });
    // The worker must not hear of it before it sends the end.
    const deaf = new Proxy(store, {
      get: (target, name) => (name === "listen" ? () => () => {} : Reflect.get(target, name)),
    });
    const app = scene.app({ store: deaf, poll: "60s", lease: "60s" }, definition);
    await app.run();
    const execution = await app.start(definition, undefined);
    const other = scene.app({}, definition);
    await other.cancel(execution.id);
    open();
    expect(await execution.outcome()).toMatchObject({ state: "canceled" });
    expect(undone).toMatchObject([{ outcome: "done", result: 7 }]);
    const { journal } = await app.history(execution.id);
    expect(journal.map(({ step, role }) => [step, role])).toEqual([
      [":turn", "action"],
      ["one", "compensation"],
    ]);
  });

  it("early: parallel branches hear in the order of their records, each when the one before has done all it can", async () => {
    const scene = newScene();
    const step = { run: () => 1, irreversible };
    const definition = (seen: string[]) =>
      job("parallel", { results: "early" }, async (ctx) => {
        const branch = async (name: string, pauses: number): Promise<void> => {
          await ctx.step(["one", name], step);
          for (let n = 0; n < pauses; n++) await null;
          seen.push(name);
          await ctx.step(["two", name], step);
        };
        await Promise.all([branch("slow", 20), branch("quick", 0), branch("middle", 7)]);
        await ctx.sleep("long", "1h");
      });
    const [live, replayed]: [string[], string[]] = [[], []];
    const first = scene.app({ workerName: "w" }, definition(live));
    await first.run();
    const { id } = await first.start(definition(live), undefined);
    await expect.poll(async () => (await first.find(id))?.status).toBe("waiting");
    expect(live).toEqual(["slow", "quick", "middle"]);
    await first.stop();
    const second = scene.app({ workerName: "w" }, definition(replayed));
    await second.run();
    await second.cancel(id);
    expect(await second.execution(id).outcome()).toMatchObject({ state: "canceled" });
    expect(replayed).toEqual(live);
  });

  it("early: steps side by side do not wait for one another's records", async () => {
    const scene = newScene();
    const sent: string[][] = [];
    const store = watched(scene.store(), (_, writes) => {
      for (const { records = [] } of writes) sent.push(records.map((row) => row.step));
    });
    const step = { run: () => 1, irreversible };
    const definition = job("side-by-side", { results: "early" }, async (ctx) => {
      await Promise.all(["a", "b", "c"].map((name) => ctx.step(name, step)));
      await ctx.step("after", step);
    });
    const app = scene.app({ store }, definition);
    await app.run();
    await (await app.start(definition, undefined)).result();
    expect(sent).toEqual([["a", "b", "c"], ["after"]]);
  });

  it("early: a long wait beside it does not suspend the execution over a record, and what waits for that", async () => {
    const scene = newScene();
    const noted: string[] = [];
    const { store, open } = gated(scene.store(), "one");
    const definition = job("beside", { results: "early" }, async (ctx) => {
      const chain = async (): Promise<void> => {
        await ctx.step("one", { run: () => void noted.push("one"), irreversible });
        await ctx.step("two", { run: () => void noted.push("two"), irreversible });
      };
      await Promise.all([ctx.sleep("long", "1h"), chain()]);
    });
    const app = scene.app({ store, suspendAfter: 1 }, definition);
    await app.run();
    const { id } = await app.start(definition, undefined);
    await expect.poll(() => noted).toEqual(["one"]);
    await turns(20);
    open();
    const recorded = async () => (await app.history(id)).journal.map((row) => row.step);
    await expect.poll(recorded, { timeout: 5_000 }).toEqual(expect.arrayContaining(["one", "two"]));
    expect(noted).toEqual(["one", "two"]);
  });

  it("early: it goes on with steps that nobody awaits", async () => {
    const scene = newScene();
    const step = { run: () => undefined, irreversible };
    const definition = job("chained", { results: "early" }, async (ctx) => {
      void (async () => {
        for (const n of [1, 2, 3]) await ctx.step(["link", n], step);
      })();
      await ctx.step("last", step);
    });
    const app = scene.app({}, definition);
    await app.run();
    const execution = await app.start(definition, undefined);
    await execution.result();
    const steps = (await app.history(execution.id)).journal.map((row) => row.step);
    expect(steps).toEqual(["link:1", "last", "link:2", "link:3"]);
  });
});

describe("the option results", () => {
  it("is refused where it is something else", () => {
    expect(() => job("odd", { results: "soon" as never }, () => {})).toThrow(
      /^job odd: results: expected one of recorded, early, found "soon"/,
    );
  });
});
