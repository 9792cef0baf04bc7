import { deepEqual, equal, rejects } from "node:assert/strict";
import { bytes, type Claim } from "./scene.ts";

export const tccClaims: readonly Claim[] = [
  {
    name: "confirm: runs once after its try, with the try's result",
    async check({ port, other, mark, note, doing, undoing, effects }) {
      deepEqual(await port.act(mark, "try", doing(note, bytes("hold 3"))), { kind: "ran", result: bytes("hold 3") });
      deepEqual(await port.confirm(mark, undoing(note)), { kind: "confirmed" });
      deepEqual(await other.confirm(mark, undoing(note)), { kind: "already" });
      equal(await effects(`${note} hold 3`), 1);
    },
  },
  {
    name: "confirm: without a try is missing and leaves nothing behind, so that a later try and confirm run",
    async check({ port, mark, note, doing, undoing, effects }) {
      deepEqual(await port.confirm(mark, undoing(note)), { kind: "missing" });
      equal((await port.act(mark, "try", doing(note, bytes("1")))).kind, "ran");
      deepEqual(await port.confirm(mark, undoing(note)), { kind: "confirmed" });
      equal(await effects(`${note} 1`), 1);
    },
  },
  {
    name: "confirm: after an empty cancel is missing",
    async check({ port, mark, note, undoing, effects }) {
      deepEqual(await port.undo(mark, "cancel", undoing(note)), { kind: "empty" });
      deepEqual(await port.confirm(mark, undoing(note)), { kind: "missing" });
      equal(await effects(`${note} null`), 0);
    },
  },
  {
    name: "confirm: after try and cancel is missing",
    async check({ port, mark, note, doing, undoing, effects }) {
      await port.act(mark, "try", doing(note, bytes("1")));
      deepEqual(await port.undo(mark, "cancel", undoing(`${note} canceled`)), { kind: "undone" });
      deepEqual(await port.confirm(mark, undoing(note)), { kind: "missing" });
      equal(await effects(`${note} 1`), 0);
    },
  },
  {
    name: "cancel: an empty one blocks the late try",
    async check({ port, mark, note, doing, undoing, effects }) {
      deepEqual(await port.undo(mark, "cancel", undoing(note)), { kind: "empty" });
      deepEqual(await port.act(mark, "try", doing(note)), { kind: "blocked" });
      equal(await effects(note), 0);
    },
  },
  {
    name: "cancel: of a confirmed branch is an impossible state, and nothing happens",
    async check({ port, mark, note, doing, undoing, effects }) {
      await port.act(mark, "try", doing(note, bytes("1")));
      await port.confirm(mark, undoing(`${note} confirmed`));
      await rejects(port.undo(mark, "cancel", undoing(note)), { code: "INVARIANT" });
      deepEqual([await effects(`${note} 1`), await effects(`${note} confirmed 1`)], [0, 1]);
    },
  },
];
