import { deepEqual, equal } from "node:assert/strict";
import { BodyError, bytes, type Claim, failing, gate, threw } from "./scene.ts";

export const undoClaims: readonly Claim[] = [
  {
    name: "undo: runs once, with the action's stored result",
    async check({ port, other, mark, note, doing, undoing, effects }) {
      await port.act(mark, "action", doing(note, bytes("row 7")));
      deepEqual(await port.undo(mark, "compensation", undoing(note)), { kind: "undone" });
      deepEqual(await port.undo(mark, "compensation", undoing(note)), { kind: "already" });
      deepEqual(await other.undo(mark, "compensation", undoing(note)), { kind: "already" });
      equal(await effects(`${note} row 7`), 1);
    },
  },
  {
    name: "undo: of an action that never came runs nothing, and neither does its repeat",
    async check({ port, mark, note, undoing, effects }) {
      deepEqual(await port.undo(mark, "compensation", undoing(note)), { kind: "empty" });
      deepEqual(await port.undo(mark, "compensation", undoing(note)), { kind: "already" });
      equal(await effects(`${note} null`), 0);
    },
  },
  {
    name: "undo: when its body throws nothing stays, and a repeat runs it",
    async check({ port, mark, note, doing, undoing, effects }) {
      await port.act(mark, "action", doing(note, bytes("7")));
      const error = new BodyError("undo fails");
      const body = (tx: unknown, result: Uint8Array | null) => failing((it) => undoing(note)(it, result), error)(tx);
      equal(threw(await port.undo(mark, "compensation", body)), error);
      equal(await effects(`${note} 7`), 0);
      deepEqual(await port.undo(mark, "compensation", undoing(note)), { kind: "undone" });
      equal(await effects(`${note} 7`), 1);
    },
  },
  {
    name: "undo: of an action whose body threw is empty",
    async check({ port, mark, note, doing, undoing }) {
      await port.act(mark, "action", failing(doing(note), new BodyError("no stock")));
      deepEqual(await port.undo(mark, "compensation", undoing(note)), { kind: "empty" });
      deepEqual(await port.act(mark, "action", doing(note)), { kind: "blocked" });
    },
  },
  {
    name: "undo: twenty at once undo once",
    async check({ port, other, mark, note, doing, undoing, effects }) {
      await port.act(mark, "action", doing(note, bytes("7")));
      const calls = Array.from({ length: 20 }, (_, at) =>
        (at % 2 === 0 ? port : other).undo(mark, "compensation", undoing(note)),
      );
      const kinds = (await Promise.all(calls)).map(({ kind }) => kind);
      equal(kinds.filter((kind) => kind === "undone").length, 1, kinds.join());
      equal(await effects(`${note} 7`), 1);
    },
  },
  {
    name: "undo: waits for an action that is under way, then undoes it",
    mode: "async",
    dialects: ["postgres", "mysql"],
    async check({ port, other, mark, note, doing, undoing, effects }) {
      const inside = gate();
      const go = gate();
      const action = port.act(mark, "action", async (tx) => {
        inside.open();
        await go.opened;
        return doing(note, bytes("7"))(tx);
      });
      await inside.opened;
      const undo = other.undo(mark, "compensation", undoing(note));
      go.open();
      equal((await action).kind, "ran");
      deepEqual(await undo, { kind: "undone" });
      deepEqual([await effects(note), await effects(`${note} 7`)], [1, 1]);
    },
  },
  {
    name: "undo: is empty when the action it waited for rolls back",
    mode: "async",
    dialects: ["postgres", "mysql"],
    async check({ port, other, mark, note, doing, undoing, effects }) {
      const inside = gate();
      const go = gate();
      const action = port.act(mark, "action", async (tx) => {
        await doing(note)(tx);
        inside.open();
        await go.opened;
        throw new BodyError("no stock");
      });
      await inside.opened;
      const undo = other.undo(mark, "compensation", undoing(note));
      go.open();
      equal((await action).kind, "threw");
      deepEqual(await undo, { kind: "empty" });
      equal(await effects(note), 0);
    },
  },
];
