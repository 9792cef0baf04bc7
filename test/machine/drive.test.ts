import { DatabaseSync } from "node:sqlite";
import {
  type AnyJob,
  type App,
  job,
  type Machine,
  type MachineRow,
  type MoveOptions,
  NonRetryableError,
  participant,
  stateMachine,
} from "makegood";
import { nodeSqlite } from "makegood/sqlite";
import { describe, expect, it } from "vitest";
import { type AnyBook, describeEngine } from "../engine/harness.ts";

// biome-ignore lint/suspicious/noExplicitAny: synchronous and asynchronous clients behind one face
type Any = any;

const never = { irreversible: "nothing to undo" } as const;
const texts = "CREATE TABLE parcel (id INTEGER PRIMARY KEY, state TEXT NOT NULL, weight INTEGER NOT NULL)";

function parcels(on: Any, pick: AnyJob, ship: AnyJob): Any {
  return stateMachine(on, "parcel", {
    table: "parcel",
    initial: "created",
    states: {
      created: { on: { order: "picking", cancel: "canceled" } },
      picking: {
        on: { picked: "shipping", lost: "canceled", pause: "created" },
        work: {
          job: pick,
          input: (row) => ({ id: Number(row["id"]), weight: Number(row["weight"]) }),
          done: "picked",
          failed: "lost",
        },
      },
      shipping: {
        on: { shipped: "sent", back: "created" },
        work: { job: ship, input: (row) => Number(row["id"]), done: "shipped" },
      },
      sent: { final: true },
      canceled: { final: true },
    },
  }) as Machine<Any, Any> as Any;
}

async function prepare(book: AnyBook): Promise<{ state(id: number): Promise<string> }> {
  const ask = (sql: string): Promise<Any> =>
    book.on.port.ask(
      (function* (): Any {
        return yield { sql, parameters: [] };
      })(),
    );
  await ask(texts);
  for (const id of [1, 2, 3]) await ask(`INSERT INTO parcel (id, state, weight) VALUES (${id}, 'created', ${id * 10})`);
  return { state: async (id) => String((await ask(`SELECT state FROM parcel WHERE id = ${id}`))[0]?.["state"]) };
}

/** A move in a transaction of the user's own. */
async function move(
  book: AnyBook,
  machine: Any,
  row: MachineRow<string>,
  event: string,
  options?: MoveOptions,
  end: "commit" | "rollback" = "commit",
): Promise<Any> {
  const tx = await book.raw.begin();
  try {
    const result = await machine.tryMove(tx, row, event, options);
    await book.raw[end](tx);
    return result;
  } catch (error) {
    await book.raw.rollback(tx);
    throw error;
  }
}

/** All executions, the machine's own and those of its states' jobs, have ended. */
const settled = (app: App): Promise<void> =>
  expect
    .poll(
      async () => {
        const { ready, running, waiting } = await app.counts();
        return ready + running + waiting;
      },
      { timeout: 10_000 },
    )
    .toBe(0);

const places = [
  { place: "own", where: "in the engine's own database" },
  { place: "far", where: "in another database" },
] as const;

describeEngine("a machine that drives itself", (newScene) => {
  describe.each(places)("over rows $where", ({ place }) => {
    it("starts the job of each state that is entered, and goes on when it has completed", async () => {
      const scene = newScene();
      const book = await scene[place]();
      const { state } = await prepare(book);
      const seen: unknown[] = [];
      const pick = job<{ id: number; weight: number }>("pick", {}, async (ctx, input) => {
        await ctx.step("pick", { run: () => void seen.push(input), ...never });
      });
      const ship = job<number>("ship", {}, async (_ctx, id) => void seen.push(id));
      const machine = parcels(book.on, pick, ship);
      const app = scene.app({ participants: [book.on] });
      await machine.drive(app);
      await app.run();
      expect((await move(book, machine, { id: 1, state: "created" }, "order", { eventId: "m1" })).kind).toBe("moved");
      expect((await move(book, machine, { id: 1 }, "order", { eventId: "m1" })).kind).toBe("duplicate");
      await expect.poll(() => state(1), { timeout: 10_000 }).toBe("sent");
      await settled(app);
      expect(seen).toEqual([{ id: 1, weight: 10 }, 1]);
      const tx = await book.raw.begin();
      const lines = await machine.history(tx, 1);
      await book.raw.rollback(tx);
      expect(lines.map(({ event, to, by }: Any) => [event, to, by])).toEqual([
        ["order", "picking", null],
        ["picked", "shipping", "job pick"],
        ["shipped", "sent", "job ship"],
      ]);
    });

    it("sends the event of failure when the job did not complete, and opens an incident where there is none", async () => {
      const scene = newScene();
      const book = await scene[place]();
      const { state } = await prepare(book);
      const fail = (name: string) =>
        job<Any>(name, {}, async (ctx, input) => {
          await ctx.step("fail", {
            run: () => {
              if (name === "ship" || input.id === 1) throw new NonRetryableError("no such shelf");
            },
            ...never,
          });
        });
      const machine = parcels(book.on, fail("pick"), fail("ship"));
      const app = scene.app({ participants: [book.on] });
      await machine.drive(app);
      await app.run();
      await move(book, machine, { id: 1 }, "order");
      await move(book, machine, { id: 2 }, "order");
      await expect
        .poll(async () => [await state(1), await state(2)], { timeout: 10_000 })
        .toEqual(["canceled", "shipping"]);
      await expect
        .poll(() => app.list({ job: "machine/parcel/shipping" }), { timeout: 10_000 })
        .toMatchObject([{ key: expect.stringMatching(/^2:/), state: "parked" }]);
    });

    it("starts nothing when the move is rolled back, and what it started survives the process", async () => {
      const scene = newScene();
      const book = await scene[place]();
      const { state } = await prepare(book);
      const jobs = () => [job<Any>("pick", {}, async () => {}), job<Any>("ship", {}, async () => {})] as const;
      const machine = parcels(book.on, ...jobs());
      // This process only moves rows: it never works, and is gone after that.
      const mover = scene.app({ participants: [book.on] });
      await machine.drive(mover);
      await move(book, machine, { id: 1 }, "order", {}, "rollback");
      await move(book, machine, { id: 2 }, "order");
      await mover.stop({ graceMs: 0 });
      expect([await state(1), await state(2)]).toEqual(["created", "picking"]);
      const app = scene.app({ participants: [book.on] });
      await parcels(book.on, ...jobs()).drive(app);
      await app.run();
      await expect.poll(() => state(2), { timeout: 10_000 }).toBe("sent");
      await settled(app);
      expect(await app.list({ job: "machine/parcel/picking" })).toHaveLength(1);
    });

    it("sends nothing to a row that has left the state, though it has entered it again", async () => {
      const scene = newScene();
      const book = await scene[place]();
      const { state } = await prepare(book);
      let open = (): void => {};
      const opened = new Promise<void>((resolve) => {
        open = resolve;
      });
      let count = 0;
      const pick = job<Any>("pick", {}, async (ctx) => {
        // The second one waits for longer than the test lasts.
        const mine = await ctx.step("count", { run: () => ++count, ...never });
        if (mine === 1) await opened;
        else await ctx.sleep("long", "1h");
      });
      const machine = parcels(
        book.on,
        pick,
        job<Any>("ship", {}, async () => {}),
      );
      const app = scene.app({ participants: [book.on] });
      await machine.drive(app);
      await app.run();
      await move(book, machine, { id: 1 }, "order");
      await expect.poll(() => count, { timeout: 10_000 }).toBe(1);
      await move(book, machine, { id: 1 }, "pause");
      await move(book, machine, { id: 1 }, "order");
      await expect.poll(() => count, { timeout: 10_000 }).toBe(2);
      open();
      await expect
        .poll(
          async () =>
            (await app.list({ job: "machine/parcel/picking" })).filter((row) => row.state === "completed").length,
          { timeout: 10_000 },
        )
        .toBe(1);
      expect(await state(1)).toBe("picking");
    });
  });

  it("does the work of rows in a SQLite file, whatever the engine's own database is", async () => {
    const scene = newScene();
    const db = new DatabaseSync(":memory:");
    const on = participant("file", nodeSqlite(db));
    await on.migrate();
    db.exec(`${texts}; INSERT INTO parcel VALUES (1, 'created', 10)`);
    const machine = parcels(
      on,
      job<Any>("pick", {}, async () => {}),
      job<Any>("ship", {}, async () => {}),
    );
    const app = scene.app({ participants: [on] });
    await machine.drive(app);
    await app.run();
    nodeSqlite(db).transaction((tx) => machine.tryMove(tx, { id: 1 }, "order"));
    await expect
      .poll(() => db.prepare("SELECT state FROM parcel").get(), { timeout: 10_000 })
      .toEqual({ state: "sent" });
    await settled(app);
    expect(await app.list({ job: "machine/parcel/picking" })).toHaveLength(1);
    await app.stop();
    db.close();
  });

  it("refuses to enter a state whose work nothing would do, and to be driven where a start would be lost", async () => {
    const scene = newScene();
    const [own, far] = [await scene.own(), await scene.far()];
    const { state } = await prepare(own);
    const jobs = [job<Any>("pick", {}, async () => {}), job<Any>("ship", {}, async () => {})] as const;
    await expect(move(own, parcels(own.on, ...jobs), { id: 1 }, "order")).rejects.toMatchObject({
      code: "OPTION_INVALID",
      message: expect.stringContaining("machine.drive(app)"),
    });
    expect(await state(1)).toBe("created");
    await expect(parcels(far.on, ...jobs).drive(scene.app({}))).rejects.toMatchObject({
      code: "OPTION_INVALID",
      message: expect.stringContaining("participants: […]"),
    });
  });
});
