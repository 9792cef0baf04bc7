import { deepEqual, equal, ok } from "node:assert/strict";
import {
  allBytes,
  andThen,
  BodyError,
  bytes,
  type Claim,
  codeOf,
  failing,
  gate,
  silentScript,
  threw,
} from "./scene.ts";

export const actionClaims: readonly Claim[] = [
  {
    name: "act: the first call runs, a repeat runs nothing and is given the stored result",
    async check({ port, other, mark, note, doing, effects }) {
      deepEqual(await port.act(mark, "action", doing(note, allBytes)), { kind: "ran", result: allBytes });
      deepEqual(await port.act(mark, "action", doing(note)), { kind: "stored", result: allBytes });
      deepEqual(await other.act(mark, "action", doing(note)), { kind: "stored", result: allBytes });
      equal(await effects(note), 1);
    },
  },
  {
    name: "act: a result of null or of no bytes is stored as what it is",
    async check({ port, mark, note, doing }) {
      for (const [branch, result] of [
        ["null", null],
        ["empty", new Uint8Array(0)],
      ] as const) {
        const here = { ...mark, branch };
        deepEqual(await port.act(here, "action", doing(note, result)), { kind: "ran", result });
        deepEqual(await port.act(here, "action", doing(note)), { kind: "stored", result });
      }
    },
  },
  {
    name: "act: when the body throws, neither effect nor barrier row stays, and a repeat runs",
    async check({ port, mark, note, doing, effects }) {
      const error = new BodyError("no stock");
      equal(threw(await port.act(mark, "action", failing(doing(note), error))), error);
      equal(await effects(note), 0);
      deepEqual(await port.act(mark, "action", doing(note, bytes("2"))), { kind: "ran", result: bytes("2") });
      equal(await effects(note), 1);
    },
  },
  {
    name: "act: after its undo the action is blocked, and stays blocked",
    async check({ port, other, mark, note, doing, undoing, effects }) {
      deepEqual(await port.undo(mark, "compensation", undoing(note)), { kind: "empty" });
      deepEqual(await port.act(mark, "action", doing(note)), { kind: "blocked" });
      deepEqual(await other.act(mark, "action", doing(note)), { kind: "blocked" });
      equal(await effects(note), 0);
    },
  },
  {
    name: "act: a repeat after action and undo is told of the action, and does not run it again",
    async check({ port, mark, note, doing, undoing, effects }) {
      await port.act(mark, "action", doing(note, bytes("7")));
      await port.undo(mark, "compensation", undoing(`${note} undone`));
      deepEqual(await port.act(mark, "action", doing(note)), { kind: "stored", result: bytes("7") });
      equal(await effects(note), 1);
    },
  },
  {
    name: "act: effect and result become visible together, and not before the commit",
    async check({ port, mark, note, doing, effects }) {
      const counted: (Promise<number> | number)[] = [];
      await port.act(mark, "action", (tx) =>
        andThen(doing(note, bytes("r"))(tx), (result) => {
          const during = effects(note);
          counted.push(during);
          return port.mode === "sync" ? result : during.then(() => result);
        }),
      );
      deepEqual([await counted[0], await effects(note)], [0, 1]);
    },
  },
  {
    name: "act: other executions, steps and roles do not meet, nor do names that differ in case, accents or a space",
    async check({ port, mark, note, doing, fixture, effects }) {
      const branches = ["Key1", "key1", "KEY1 ", "kéy1", "key1:1", "key1:１", "x".repeat(600)];
      for (const branch of branches) equal((await port.act({ ...mark, branch }, "action", doing(note))).kind, "ran");
      equal((await port.act({ ...mark, gid: fixture.newId(), branch: "Key1" }, "action", doing(note))).kind, "ran");
      equal((await port.act({ ...mark, branch: "Key1" }, "try", doing(note))).kind, "ran");
      equal(await effects(note), branches.length + 2);
    },
  },
  {
    name: "act: of two at once one runs, and the other waits for it and is given its result",
    mode: "async",
    dialects: ["postgres", "mysql"],
    async check({ port, other, mark, note, doing, effects }) {
      const inside = gate();
      const go = gate();
      const first = port.act(mark, "action", async (tx) => {
        const result = await doing(note, bytes("one"))(tx);
        inside.open();
        await go.opened;
        return result;
      });
      await inside.opened;
      const second = other.act(mark, "action", doing(note, bytes("two")));
      go.open();
      deepEqual(await first, { kind: "ran", result: bytes("one") });
      deepEqual(await second, { kind: "stored", result: bytes("one") });
      equal(await effects(note), 1);
    },
  },
  {
    name: "act: of two at once the second runs when the first rolls back",
    mode: "async",
    dialects: ["postgres", "mysql"],
    async check({ port, other, mark, note, doing, effects }) {
      const inside = gate();
      const go = gate();
      const first = port.act(mark, "action", async (tx) => {
        await doing(note)(tx);
        inside.open();
        await go.opened;
        throw new BodyError("first fails");
      });
      await inside.opened;
      const second = other.act(mark, "action", doing(note, bytes("two")));
      go.open();
      equal((await first).kind, "threw");
      deepEqual(await second, { kind: "ran", result: bytes("two") });
      equal(await effects(note), 1);
    },
  },
  {
    name: "act: twenty at once take effect once",
    async check({ port, other, mark, note, doing, effects }) {
      const calls = Array.from({ length: 20 }, (_, at) =>
        (at % 2 === 0 ? port : other).act(mark, "action", doing(note, bytes("r"))),
      );
      const kinds = (await Promise.all(calls)).map(({ kind }) => kind);
      equal(kinds.filter((kind) => kind === "ran").length, 1, kinds.join());
      ok(
        kinds.every((kind) => kind === "ran" || kind === "stored" || kind === "unavailable"),
        kinds.join(),
      );
      equal(await effects(note), 1);
    },
  },
  {
    name: "act: a database that another process is writing to is unavailable, and nothing happens",
    dialects: ["sqlite"],
    async check({ port, other, mark, note, doing, effects }) {
      let meanwhile: ReturnType<typeof other.act> | undefined;
      await port.act(mark, "action", (tx) =>
        andThen(doing(note)(tx), (result) => {
          meanwhile = other.act({ ...mark, branch: "another" }, "action", doing(note));
          return port.mode === "sync" ? result : meanwhile.then(() => result);
        }),
      );
      equal((await meanwhile)?.kind, "unavailable");
      equal(await effects(note), 1);
    },
  },
  {
    name: "own: a body that reads first and then writes is not refused for what another process wrote in between",
    dialects: ["sqlite"],
    async check({ port, other, mark, note, doing, fixture, effects }) {
      const outcome = await port.own(
        (tx) =>
          andThen(fixture.countInside(tx, note), () => {
            const meanwhile = other.act(mark, "action", doing(`${note} meanwhile`));
            return port.mode === "sync" ? doing(note)(tx) : meanwhile.then(() => doing(note)(tx));
          }),
        () => silentScript("done" as const),
      );
      equal(outcome.kind, "committed");
      deepEqual([await effects(note), await effects(`${note} meanwhile`)], [1, 0]);
    },
  },
  {
    name: "sync: a body that returns a promise is refused with STEP_ASYNC_BODY, and its effect is rolled back",
    mode: "sync",
    async check({ port, mark, note, doing, effects }) {
      const late = async (tx: unknown) => doing(note)(tx);
      const lateVoid = async (tx: unknown) => void doing(note)(tx);
      const done = () => silentScript("done" as const);
      equal(codeOf(threw(await port.own(late, done))), "STEP_ASYNC_BODY");
      equal(codeOf(threw(await port.act(mark, "action", late))), "STEP_ASYNC_BODY");
      equal(codeOf(threw(await port.act(mark, "try", late))), "STEP_ASYNC_BODY");
      equal(await effects(note), 0);
      await port.act(mark, "action", doing(`${note} done`));
      await port.act(mark, "try", doing(`${note} done`));
      equal(codeOf(threw(await port.undo(mark, "compensation", lateVoid))), "STEP_ASYNC_BODY");
      equal(codeOf(threw(await port.confirm(mark, lateVoid))), "STEP_ASYNC_BODY");
      equal(await effects(note), 0);
    },
  },
  {
    name: "sync: a thenable that has not run, as query builders return, is refused and is not set going",
    mode: "sync",
    async check({ port, mark, note, doing }) {
      let ran = 0;
      // biome-ignore lint/suspicious/noThenProperty: a query builder of Drizzle is one
      const builder = { then: () => ran++ };
      const outcome = await port.act(mark, "action", (tx) => andThen(doing(note)(tx), () => builder as never));
      equal(codeOf(threw(outcome)), "STEP_ASYNC_BODY");
      equal(ran, 0);
    },
  },
  {
    name: "sync: a body runs before the call returns, so that nothing can come in between",
    mode: "sync",
    async check({ port, mark, note, doing }) {
      let hasRun = false;
      const outcome = port.act(mark, "action", (tx) => {
        hasRun = true;
        return doing(note)(tx);
      });
      equal(hasRun, true);
      await outcome;
    },
  },
  {
    name: "sync: a transaction within a transaction of the same connection is refused, and the outer one is unharmed",
    mode: "sync",
    async check({ port, mark, note, doing, effects }) {
      let inner: ReturnType<typeof port.act> | undefined;
      const outer = await port.act(mark, "action", (tx) => {
        inner = port.act({ ...mark, branch: "inner" }, "action", doing(note));
        return doing(note)(tx);
      });
      equal((await inner)?.kind, "unavailable");
      equal(outer.kind, "ran");
      equal(await effects(note), 1);
    },
  },
];
