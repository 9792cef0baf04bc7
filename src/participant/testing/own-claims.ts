import { deepEqual, equal, ok, rejects } from "node:assert/strict";
import type { WriteOutcome } from "../../core/store.ts";
import {
  BodyError,
  brokenScript,
  bytes,
  type Claim,
  failing,
  insertScript,
  type Result,
  silentScript,
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
    name: "own: bodies that fail cost no connections",
    dialects: ["postgres", "mysql"],
    async check({ port, fixture: { adapter } }) {
      const connection = { postgres: "pg_backend_pid()", mysql: "CONNECTION_ID()", sqlite: "" }[port.dialect];
      const used: string[] = [];
      const body = async (tx: unknown): Promise<never> => {
        const [row] = await adapter.query(tx, `SELECT ${connection} AS id`, []);
        used.push(String(row?.["id"]));
        throw new BodyError("no stock");
      };
      const bodies = 40;
      for (let n = 0; n < bodies; n++) await port.own(body, () => silentScript("done" as const));
      deepEqual([used.length, new Set(used).size < bodies / 2], [bodies, true]);
    },
  },
  {
    name: "own: a body that goes on after the end of its transaction writes nothing, whether it was committed or not",
    dialects: ["postgres", "mysql"],
    async check({ port, note, effects, fixture: { adapter, insertEffect, countInside } }) {
      for (const error of [null, new BodyError("no stock")]) {
        let held: unknown;
        const body = (tx: unknown): Result => {
          held = tx;
          if (error !== null) throw error;
          return null;
        };
        await port.own(body, () => silentScript("done" as const));
        const late = async (): Promise<void> => {
          await insertEffect(held, note);
          await countInside(held, note);
        };
        await rejects(late);
        await adapter.transaction(async () => rejects(late));
      }
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
