import { job, NonRetryableError, RefusedError, type UndoInfo } from "makegood";
import { expect, it } from "vitest";
import * as z from "zod";
import { type AnyBook, describeEngine } from "./harness.ts";

const Id = z.object({ id: z.string() });
const quick = { maxAttempts: 2, backoff: { initial: 1, max: 2 } } as const;

/** Steps that note what they do in a list, or in a participant's book. */
function noting(list: string[]) {
  return (what: string) => ({
    run: () => {
      list.push(what);
      return what;
    },
    compensate: (undo: UndoInfo<string>) => void list.push(`undo ${what} ${undo.outcome}`),
  });
}

const inBook = (book: AnyBook, what: string) => ({
  run: async (tx: unknown) => {
    await book.add(tx, what);
    return what;
  },
  compensate: async (tx: unknown, result: string) => void (await book.add(tx, `undo ${result}`)),
});
const inBookSync = (book: AnyBook, what: string) => ({
  run: (tx: unknown) => {
    book.add(tx, what);
    return what;
  },
  compensate: (tx: unknown, result: string) => void book.add(tx, `undo ${result}`),
});
const bodyFor = (book: AnyBook) => (book.on.mode === "sync" ? inBookSync : inBook);

describeEngine("a saga", (newScene) => {
  it("undoes in reverse order of start over all kinds of step, and leaves out what was refused", async () => {
    const scene = newScene();
    const [own, far] = [await scene.own(), await scene.far()];
    const list: string[] = [];
    const note = noting(list);
    const place = job("place", { input: Id, retry: quick }, async (ctx) => {
      await ctx.tx(own.on, "own", bodyFor(own)(own, "own") as never);
      await ctx.tx(far.on, "far", bodyFor(far)(far, "far") as never);
      await ctx.step("one", note("one"));
      await Promise.all([ctx.step(["two", 1], note("two:1")), ctx.step(["two", 2], note("two:2"))]);
      await ctx.step("refused", {
        run: () => {
          throw new RefusedError("no");
        },
        compensate: () => void list.push("undo refused"),
      });
    });
    const app = scene.app({}, place);
    await app.run();
    const execution = await app.start(place, { id: "1" });
    expect(await execution.outcome()).toMatchObject({
      state: "compensated",
      error: { code: "REFUSED", message: "no" },
    });
    expect(list).toEqual(["one", "two:1", "two:2", "undo two:2 done", "undo two:1 done", "undo one done"]);
    expect(await own.read()).toEqual(["own", "undo own"]);
    expect(await far.read()).toEqual(["far", "undo far"]);
    const { journal } = await app.history(execution.id);
    expect(journal.filter((row) => row.role === "compensation").map((row) => row.step)).toEqual([
      "two:2",
      "two:1",
      "one",
      "far",
      "own",
    ]);
  });

  it("compensates a step whose outcome is unknown, and says so", async () => {
    const scene = newScene();
    const list: string[] = [];
    const place = job("place", { retry: quick }, async (ctx) => {
      await ctx.step("charge", {
        run: ({ key }) => {
          list.push(key);
          throw new NonRetryableError("gone");
        },
        compensate: ({ outcome, actionKey, key }) =>
          void list.push(outcome, String(actionKey === list[0]), String(key !== actionKey)),
      });
    });
    const app = scene.app({}, place);
    await app.run();
    expect(await (await app.start(place, undefined)).outcome()).toMatchObject({ state: "compensated" });
    expect(list.slice(1)).toEqual(["unknown", "true", "true"]);
  });

  it("does not let the function catch a step's final failure", async () => {
    const scene = newScene();
    const list: string[] = [];
    const place = job("place", { retry: quick }, async (ctx) => {
      try {
        await ctx.step("fails", {
          run: () => {
            throw new RefusedError("no");
          },
          irreversible: "test",
        });
      } catch {
        list.push("caught");
      } finally {
        list.push("finally");
      }
      list.push("went on");
    });
    const app = scene.app({}, place);
    await app.run();
    expect(await (await app.start(place, undefined)).outcome()).toMatchObject({ state: "failed" });
    expect(list).toEqual([]);
  });

  it("gives a failure back as a value where the function asked for it, after undoing that step", async () => {
    const scene = newScene();
    const list: string[] = [];
    const note = noting(list);
    const place = job("place", { retry: quick }, async (ctx) => {
      await ctx.step("one", note("one"));
      const refused = await ctx.attempt("refused", {
        run: (): number => {
          throw new RefusedError("sold out", { code: "SOLD_OUT" });
        },
        compensate: () => void list.push("undo refused"),
      });
      const unknown = await ctx.attempt("unknown", {
        run: (): number => {
          list.push("unknown");
          throw new NonRetryableError("lost");
        },
        compensate: ({ outcome }) => void list.push(`undo ${outcome}`),
      });
      const fine = await ctx.attempt("fine", { run: () => 7, compensate: () => {} });
      return [refused.ok ? "" : refused.error.code, unknown.ok, fine];
    });
    const app = scene.app({}, place);
    await app.run();
    expect(await (await app.start(place, undefined)).result()).toEqual(["SOLD_OUT", false, { ok: true, value: 7 }]);
    expect(list).toEqual(["one", "unknown", "undo unknown"]);
  });

  it("parks behind the pivot, keeps everything, and completes after a retry", async () => {
    const scene = newScene();
    const list: string[] = [];
    const note = noting(list);
    let isBroken = true;
    const place = job("place", { retry: quick }, async (ctx) => {
      await ctx.step("one", note("one"));
      await ctx.pivot();
      await ctx.step("send", {
        run: () => {
          if (isBroken) throw new Error("smtp down");
          return list.push("sent");
        },
        irreversible: "a message cannot be called back",
      });
    });
    const app = scene.app({}, place);
    await app.run();
    const execution = await app.start(place, undefined);
    expect(await execution.outcome()).toMatchObject({ state: "parked" });
    expect(await app.incidents()).toMatchObject([
      { executionId: execution.id, code: "ATTEMPTS_EXHAUSTED", step: "send", error: { message: "smtp down" } },
    ]);
    await expect(app.cancel(execution.id)).rejects.toMatchObject({ code: "EXECUTION_STATE" });
    isBroken = false;
    await app.retry(execution.id, { actor: { kind: "user", id: "ann" }, note: "server is back" });
    await execution.result();
    expect(list).toEqual(["one", "sent"]);
    expect(await app.incidents()).toEqual([]);
    expect((await app.history(execution.id)).audit).toMatchObject([
      { actor: { kind: "user", id: "ann" }, note: "server is back" },
    ]);
  });

  it("parks when a compensation fails for good; settled by hand it goes on", async () => {
    const scene = newScene();
    const list: string[] = [];
    const note = noting(list);
    const place = job("place", { retry: quick }, async (ctx) => {
      await ctx.step("one", note("one"));
      await ctx.step("stuck", {
        run: () => 1,
        compensate: () => {
          list.push("undo stuck fails");
          throw new Error("provider is gone");
        },
        retry: quick,
      });
      throw new NonRetryableError("turn");
    });
    const app = scene.app({}, place);
    await app.run();
    const execution = await app.start(place, undefined);
    expect(await execution.outcome()).toMatchObject({ state: "parked" });
    expect(list).toEqual(["one", "undo stuck fails", "undo stuck fails"]);
    expect(await app.incidents()).toMatchObject([{ code: "COMPENSATION_FAILED", step: "stuck" }]);
    await app.settleStep(
      execution.id,
      "stuck",
      { role: "compensation", outcome: "done" },
      { actor: { kind: "user", id: "bo" } },
    );
    await app.resume(execution.id);
    await expect(execution.result()).rejects.toMatchObject({
      code: "EXECUTION_NOT_SUCCESSFUL",
      details: { state: "compensated" },
    });
    expect(list.at(-1)).toBe("undo one done");
    const settled = (await app.history(execution.id)).journal.find(
      (row) => row.step === "stuck" && row.role === "compensation",
    );
    expect(settled?.actor).toBe("user:bo");
  });

  it("charges again in a new round, under new keys", async () => {
    const scene = newScene();
    const keys: string[] = [];
    let isBroken = true;
    const place = job("place", { input: Id, key: (o) => o.id, retry: quick }, async (ctx) => {
      await ctx.step("charge", { run: ({ key }) => void keys.push(key), compensate: () => {} });
      await ctx.step("ship", {
        run: () => {
          if (isBroken) throw new RefusedError("no parcels today");
        },
        irreversible: "test",
      });
      return ctx.round;
    });
    const app = scene.app({}, place);
    await app.run();
    const first = await app.start(place, { id: "k" });
    expect((await first.outcome()).state).toBe("compensated");
    isBroken = false;
    const second = await app.start(place, { id: "k" }, { ifExists: "restart-failed" });
    expect(second).toMatchObject({ isNew: true, round: 1 });
    expect(await second.result()).toBe(1);
    expect(new Set(keys).size).toBe(2);
    expect(await app.start(place, { id: "k" }, { ifExists: "restart-failed" })).toMatchObject({
      id: second.id,
      isNew: false,
    });
    expect((await first.outcome()).state).toBe("compensated");
  });

  it("cancels through compensation before the pivot", async () => {
    const scene = newScene();
    const list: string[] = [];
    const note = noting(list);
    const place = job("place", {}, async (ctx) => {
      await ctx.step("one", note("one"));
      await ctx.sleep("long", "1h");
      list.push("woke");
    });
    const app = scene.app({ suspendAfter: "1s" }, place);
    await app.run();
    const execution = await app.start(place, undefined);
    await expect.poll(async () => (await app.find(execution.id))?.status).toBe("waiting");
    await app.cancel(execution.id, { actor: { kind: "user", id: "ann" } });
    expect(await execution.outcome()).toMatchObject({ state: "canceled", error: { code: "CANCELED" } });
    expect(list).toEqual(["one", "undo one done"]);
  });

  it("waits for a child that is on its way back already before it undoes what came before", async () => {
    const list: string[] = [];
    const note = noting(list);
    const { promise: childIsUndoing, resolve: tellUndoing } = Promise.withResolvers<void>();
    const { promise: mayEnd, resolve: letEnd } = Promise.withResolvers<void>();
    const child = job("child", {}, async (ctx) => {
      await ctx.step("build", {
        run: () => void list.push("build"),
        compensate: async () => {
          tellUndoing();
          await mayEnd;
          list.push("undo build");
        },
      });
      throw new RefusedError("by itself");
    });
    const parent = job("parent", {}, async (ctx) => {
      await ctx.step("order", note("order"));
      await ctx.start(child, undefined);
      await ctx.step("until then", { run: () => childIsUndoing, irreversible: "test" });
      throw new RefusedError("turn");
    });
    const app = newScene().app({}, parent, child);
    await app.run();
    const execution = await app.start(parent, undefined);
    // The parent has turned back; had it not waited, it would be done by now.
    await expect.poll(async () => (await app.list()).find(({ id }) => id === execution.id)?.state).toBe("compensating");
    const outcome = execution.outcome();
    await Promise.race([outcome, new Promise((resolve) => void setTimeout(resolve, 300))]);
    expect(list).toEqual(["order", "build"]);
    letEnd();
    expect((await outcome).state).toBe("compensated");
    expect(list).toEqual(["order", "build", "undo build", "undo order done"]);
  });

  it("is killed without undo, loudly", async () => {
    const scene = newScene();
    const list: string[] = [];
    const note = noting(list);
    const place = job("place", {}, async (ctx) => {
      await ctx.step("one", note("one"));
      await ctx.step("hangs", { run: () => new Promise(() => {}), irreversible: "test" });
    });
    const app = scene.app({}, place);
    await app.run();
    const execution = await app.start(place, undefined);
    await expect.poll(() => list).toEqual(["one"]);
    await app.kill(execution.id, { note: "gone wild" });
    expect((await execution.outcome()).state).toBe("killed");
    expect(list).toEqual(["one"]);
    expect(await app.incidents()).toMatchObject([{ code: "KILLED" }]);
  });

  it("times out overall and turns back", async () => {
    const scene = newScene();
    const list: string[] = [];
    const note = noting(list);
    const place = job("place", { timeout: "200ms" }, async (ctx) => {
      await ctx.step("one", note("one"));
      await ctx.sleep("long", "1h");
    });
    const app = scene.app({}, place);
    await app.run();
    expect(await (await app.start(place, undefined)).outcome()).toMatchObject({
      state: "timed-out",
      error: { code: "TIMED_OUT" },
    });
    expect(list).toEqual(["one", "undo one done"]);
  });

  it("does not park a compensation for the overall timeout", async () => {
    const scene = newScene();
    const list: string[] = [];
    const slowly = () => new Promise<void>((resolve) => setTimeout(() => resolve(void list.push("undo one")), 400));
    const place = job("place", { timeout: "200ms" }, async (ctx) => {
      await ctx.step("one", { run: () => void list.push("one"), compensate: slowly });
      throw new NonRetryableError("turn");
    });
    const app = scene.app({}, place);
    await app.run();
    expect((await (await app.start(place, undefined)).outcome()).state).toBe("compensated");
    expect(list).toEqual(["one", "undo one"]);
  });

  it("re-runs a function that throws, by the job's policy, without repeating its steps", async () => {
    const scene = newScene();
    const list: string[] = [];
    let throws = 2;
    const place = job("place", { retry: { maxAttempts: 5, backoff: { initial: 1, max: 1 } } }, async (ctx) => {
      await ctx.step("one", { run: () => void list.push("one"), irreversible: "test" });
      if (throws-- > 0) throw new Error("flaky code");
      return "fine";
    });
    const app = scene.app({}, place);
    await app.run();
    expect(await (await app.start(place, undefined)).result()).toBe("fine");
    expect(list).toEqual(["one"]);
  });
});

describeEngine("TCC", (newScene) => {
  it("confirms every branch after the decision, in the order of start", async () => {
    const scene = newScene();
    const [own, far] = [await scene.own(), await scene.far()];
    const list: string[] = [];
    const place = job("place", { retry: quick }, async (ctx) => {
      await ctx.tcc(own.on, "own", branch(own) as never);
      await ctx.tcc(far.on, "far", branch(far) as never);
      await ctx.tcc("remote", {
        try: () => void list.push("try"),
        confirm: () => void list.push("confirm"),
        cancel: () => void list.push("cancel"),
      });
      list.push("returned");
      return 5;
    });
    const app = scene.app({}, place);
    await app.run();
    expect(await (await app.start(place, undefined)).result()).toBe(5);
    expect(list).toEqual(["try", "returned", "confirm"]);
    expect(await own.read()).toEqual(["try", "confirm try"]);
    expect(await far.read()).toEqual(["try", "confirm try"]);
  });

  it("cancels every branch when one refuses; the one that refused is left alone", async () => {
    const scene = newScene();
    const [own, far] = [await scene.own(), await scene.far()];
    const list: string[] = [];
    const place = job("place", { retry: quick }, async (ctx) => {
      await ctx.tcc(own.on, "own", branch(own) as never);
      await ctx.tcc(far.on, "far", branch(far) as never);
      await ctx.tcc("remote", {
        try: () => {
          throw new RefusedError("no funds");
        },
        confirm: () => void list.push("confirm"),
        cancel: () => void list.push("cancel"),
      });
    });
    const app = scene.app({}, place);
    await app.run();
    expect(await (await app.start(place, undefined)).outcome()).toMatchObject({
      state: "compensated",
      error: { message: "no funds" },
    });
    expect(list).toEqual([]);
    expect(await own.read()).toEqual(["try", "cancel try"]);
    expect(await far.read()).toEqual(["try", "cancel try"]);
  });

  it("refuses a branch behind the pivot", async () => {
    const scene = newScene();
    const place = job("place", { retry: quick }, async (ctx) => {
      await ctx.pivot();
      return ctx
        .tcc("late", { try: () => 1, confirm: () => {}, cancel: () => {} })
        .catch((error: { code: string }) => error.code);
    });
    const app = scene.app({}, place);
    await app.run();
    expect(await (await app.start(place, undefined)).result()).toBe("PIVOT_MISUSE");
  });
});

function branch(book: AnyBook) {
  const add = (tx: unknown, what: string): unknown => book.add(tx, what);
  return {
    try: (tx: unknown) => mapDone(add(tx, "try"), "try"),
    confirm: (tx: unknown, result: string) => add(tx, `confirm ${result}`),
    cancel: (tx: unknown, result: string) => add(tx, `cancel ${result}`),
  };
}
const mapDone = (done: unknown, value: string): unknown => (done instanceof Promise ? done.then(() => value) : value);
