import { deepEqual, equal, ok } from "node:assert/strict";
import type { WriteOutcome } from "../../core/store.ts";
import {
  BodyError,
  brokenScript,
  bytes,
  type Claim,
  failing,
  insertScript,
  type Result,
  textOf,
  threw,
} from "./scene.ts";

export const ownClaims: readonly Claim[] = [
  {
    name: "own: body and seal land in one commit, and the seal is handed what the body returned",
    async check({ port, note, doing, effects }) {
      const seal = (result: Result) => insertScript(port.dialect, `${note} sealed ${textOf(result)}`, "done" as const);
      const outcome = await port.own(doing(note, bytes("row 7")), seal);
      deepEqual(outcome, { kind: "committed", result: bytes("row 7") });
      deepEqual([await effects(note), await effects(`${note} sealed row 7`)], [1, 1]);
    },
  },
  ...(["lost", "refused", "busy"] as const).map(
    (word): Claim => ({
      name: `own: nothing of body or seal lands when the seal says ${word}`,
      async check({ port, note, doing, effects }) {
        const outcome = await port.own(doing(note), () => insertScript<WriteOutcome["kind"]>(port.dialect, note, word));
        deepEqual(outcome, { kind: "sealed-out", outcome: word });
        equal(await effects(note), 0);
      },
    }),
  ),
  {
    name: "own: what the body throws comes back as it is, rolled back, and the seal is not asked",
    async check({ port, note, doing, effects }) {
      const error = new BodyError("no stock");
      const outcome = await port.own(failing(doing(note), error), () =>
        insertScript(port.dialect, note, "done" as const),
      );
      equal(threw(outcome), error);
      equal(await effects(note), 0);
    },
  },
  {
    name: "own: a seal that throws, as when a result cannot be encoded, rolls the effect back",
    async check({ port, note, doing, effects }) {
      const error = new BodyError("cannot be stored");
      const outcome = await port.own(doing(note), () => {
        throw error;
      });
      equal(threw(outcome), error);
      equal(await effects(note), 0);
    },
  },
  {
    name: "own: an error of the seal's statement that repeating cannot mend is the body's failure, rolled back",
    async check({ port, note, doing, effects }) {
      threw(await port.own(doing(note), () => brokenScript<"done">()));
      equal(await effects(note), 0);
    },
  },
  {
    name: "own: a statement of the body that failed is not committed around, also if its error was swallowed",
    mode: "async",
    dialects: ["postgres"],
    async check({ port, note, doing, effects, fixture }) {
      const outcome = await port.own(
        async (tx) => {
          await doing(note)(tx);
          await Promise.resolve(fixture.adapter.query(tx, "SELECT 1 / 0", [])).catch(() => undefined);
        },
        () => insertScript(port.dialect, note, "done" as const),
      );
      ok(String(threw(outcome)).includes("went on in a transaction"), String(threw(outcome)));
      equal(await effects(note), 0);
    },
  },
];
