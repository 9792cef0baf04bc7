import { deepEqual, equal, ok, rejects } from "node:assert/strict";
import { setTimeout as wait } from "node:timers/promises";
import { errorCatalog, isCodedError } from "../../core/errors.ts";
import type { Awaitable, OnceRequest, Participant } from "../../core/participant.ts";
import { pruneRecords } from "../record/prune.ts";
import { andThen, BodyError, type Claim, gate, parameter, type Scene } from "./scene.ts";

type Once = (tx: unknown, by: OnceRequest, effect: () => unknown) => Awaitable<unknown>;
const onceOf = (orders: Participant<unknown>): Once => orders.once as Once;

interface Call {
  readonly by: OnceRequest;
  readonly effect: (tx: unknown) => unknown;
  /** After the call, in the same transaction. */
  readonly after?: (tx: unknown, answer: unknown) => unknown;
}

/** In a transaction of the user's own, as they would write it. */
function inTransaction({ fixture: { adapter }, orders }: Scene, { by, effect, after }: Call): Promise<unknown> {
  return begin(() =>
    adapter.transaction((tx) =>
      andThen(
        onceOf(orders)(tx, by, () => effect(tx)),
        (answer) => after?.(tx, answer) ?? answer,
      ),
    ),
  );
}

/** The same from another process. */
function fromElsewhere({ fixture: { otherAdapter }, elsewhere }: Scene, { by, effect }: Call): Promise<unknown> {
  return begin(() => otherAdapter.transaction((tx) => onceOf(elsewhere)(tx, by, () => effect(tx))));
}

async function begin<T>(run: () => Awaitable<T>): Promise<T> {
  return run();
}

const codeOfRejection = async (promise: Promise<unknown>): Promise<string> => {
  const error: unknown = await promise.then(
    () => new Error("expected a rejection, found an answer"),
    (reason: unknown) => reason,
  );
  ok(isCodedError(error), `expected one of makegood's errors, found ${error}`);
  ok(error.code in errorCatalog);
  return error.code;
};

const expire = (scene: Scene, key: string): Promise<void> =>
  scene.orders.port.ask(
    (function* () {
      const { dialect } = scene.port;
      const table = dialect === "postgres" ? "makegood.execution_record" : "makegood_execution_record";
      yield {
        sql: `UPDATE ${table} SET expire_at = 1 WHERE record_key = ${parameter(dialect, 1, "text")}`,
        parameters: [dialect === "mysql" ? Buffer.from(key) : key],
      };
    })(),
  );

const keysAtOnce = 5;

export const onceClaims: readonly Claim[] = [
  {
    name: "once: the first call runs, a repeat runs nothing and is given the same answer, decoded, here and elsewhere",
    async check(scene) {
      const { note, doing, effects } = scene;
      const answer = {
        at: new Date(1_700_000_000_000),
        units: 7n,
        lines: ["Ünïcödé \u{1f600}", null, undefined],
        bytes: new Uint8Array([0, 255]),
      };
      const call: Call = {
        by: { scope: "pay", key: note, input: { a: 1, b: [2] } },
        effect: (tx) => andThen(doing(note)(tx), () => answer),
      };
      const first = await inTransaction(scene, call);
      deepEqual(first, answer);
      ok(first !== answer);
      deepEqual(await inTransaction(scene, { ...call, by: { ...call.by, input: { b: [2], a: 1 } } }), answer);
      deepEqual(await fromElsewhere(scene, call), answer);
      equal(await effects(note), 1);
    },
  },
  {
    name: "once: undefined, null and false are answers, and are replayed as what they are",
    async check(scene) {
      const { note, doing, effects } = scene;
      for (const answer of [undefined, null, false]) {
        const here = `${note} ${answer}`;
        const call: Call = { by: { scope: "pay", key: here }, effect: (tx) => andThen(doing(here)(tx), () => answer) };
        equal(await inTransaction(scene, call), answer);
        equal(await inTransaction(scene, call), answer);
        equal(await effects(here), 1);
      }
    },
  },
  {
    name: "once: keys and scopes that differ in case, accents or a space do not meet",
    async check(scene) {
      const { note, doing, effects } = scene;
      const keys = ["Key1", "key1", "KEY1 ", "kéy1", "key1'", "key1\\", "x".repeat(255)];
      const requests = [
        ...keys.map((key) => ({ scope: note, key })),
        { scope: `${note} `, key: "key1" },
        { scope: note.toUpperCase().padEnd(40, "X"), key: "key1" },
      ];
      for (const by of requests) await inTransaction(scene, { by, effect: doing(note) });
      for (const by of requests) await inTransaction(scene, { by, effect: doing(note) });
      equal(await effects(note), requests.length);
    },
  },
  {
    name: "once: another input under the same key is KEY_INPUT_MISMATCH, and runs nothing",
    async check(scene) {
      const { note, doing, effects } = scene;
      const by = { scope: "pay", key: note };
      await inTransaction(scene, { by: { ...by, input: { cents: 1 } }, effect: doing(note) });
      const other = inTransaction(scene, { by: { ...by, input: { cents: 2 } }, effect: doing(note) });
      equal(await codeOfRejection(other), "KEY_INPUT_MISMATCH");
      await inTransaction(scene, { by, effect: doing(note) });
      equal(await effects(note), 1);
    },
  },
  {
    name: "once: the transaction's rollback takes the record with it, and a repeat runs",
    async check(scene) {
      const { note, doing, effects } = scene;
      const call: Call = { by: { scope: "pay", key: note }, effect: (tx) => andThen(doing(note)(tx), () => "first") };
      const rolledBack = inTransaction(scene, {
        ...call,
        after: () => {
          throw new BodyError("caller rolls back");
        },
      });
      await rejects(rolledBack, BodyError);
      equal(await effects(note), 0);
      equal(
        await inTransaction(scene, { ...call, effect: (tx) => andThen(doing(note)(tx), () => "second") }),
        "second",
      );
      equal(await effects(note), 1);
    },
  },
  {
    name: "once: a failure that the caller catches and commits around leaves no record, so that a repeat runs",
    async check(scene) {
      const { note, doing, effects, orders, fixture } = scene;
      const by = { scope: "pay", key: note };
      const error = new BodyError("no stock");
      let caught: unknown;
      const failing = (): never => {
        throw error;
      };
      await begin(() =>
        fixture.adapter.transaction((tx) => {
          if (orders.mode === "async")
            return Promise.resolve(onceOf(orders)(tx, by, failing)).catch((reason: unknown) => {
              caught = reason;
            });
          try {
            return onceOf(orders)(tx, by, failing);
          } catch (reason) {
            caught = reason;
            return undefined;
          }
        }),
      );
      equal(caught, error);
      equal(await inTransaction(scene, { by, effect: (tx) => andThen(doing(note)(tx), () => 2) }), 2);
      equal(await effects(note), 1);
    },
  },
  {
    name: "once: an answer that cannot be stored, or is too large, is the effect's failure",
    async check(scene) {
      const { note, doing, effects } = scene;
      const by = { scope: "pay", key: note };
      for (const [answer, code] of [
        [() => 1, "VALUE_UNSUPPORTED"],
        ["x".repeat(300 * 1_024), "VALUE_TOO_LARGE"],
      ] as const) {
        const call = inTransaction(scene, { by, effect: (tx) => andThen(doing(note)(tx), () => answer) });
        equal(await codeOfRejection(call), code);
      }
      equal(await effects(note), 0);
      await inTransaction(scene, { by, effect: (tx) => andThen(doing(note)(tx), () => "x".repeat(200 * 1_024)) });
      equal(await effects(note), 1);
    },
  },
  {
    name: "once: several keys in one transaction, one within the other, share its fate",
    async check(scene) {
      const { note, doing, effects, orders } = scene;
      const call: Call = {
        by: { scope: "outer", key: note },
        effect: (tx) =>
          andThen(
            onceOf(orders)(tx, { scope: "inner", key: note }, () => andThen(doing(note)(tx), () => 1)),
            (inner) => [inner, 2],
          ),
      };
      deepEqual(await inTransaction(scene, call), [1, 2]);
      deepEqual(await inTransaction(scene, call), [1, 2]);
      equal(await inTransaction(scene, { ...call, by: { scope: "inner", key: note } }), 1);
      equal(await effects(note), 1);
    },
  },
  {
    name: "once: within its own effect, the same key is KEY_IN_PROGRESS and not an empty answer",
    async check(scene) {
      const { note, doing, effects, orders } = scene;
      const by = { scope: "pay", key: note };
      const call = inTransaction(scene, { by, effect: (tx) => onceOf(orders)(tx, by, () => doing(note)(tx)) });
      equal(await codeOfRejection(call), "KEY_IN_PROGRESS");
      equal(await effects(note), 0);
    },
  },
  {
    name: "once: of two at once one runs, and the other waits for it and is given its answer",
    mode: "async",
    dialects: ["postgres", "mysql"],
    async check(scene) {
      const { note, doing, effects } = scene;
      const [inside, go] = [gate(), gate()];
      const by = { scope: "pay", key: note };
      const first = inTransaction(scene, {
        by,
        effect: async (tx) => {
          await doing(note)(tx);
          inside.open();
          await go.opened;
          return "one";
        },
      });
      await inside.opened;
      const second = fromElsewhere(scene, { by, effect: (tx) => andThen(doing(note)(tx), () => "two") });
      go.open();
      deepEqual([await first, await second], ["one", "one"]);
      equal(await effects(note), 1);
    },
  },
  {
    name: "once: of two at once the second runs when the first rolls back",
    mode: "async",
    dialects: ["postgres", "mysql"],
    async check(scene) {
      const { note, doing, effects } = scene;
      const [inside, go] = [gate(), gate()];
      const by = { scope: "pay", key: note };
      const first = inTransaction(scene, {
        by,
        effect: async (tx) => {
          await doing(note)(tx);
          inside.open();
          await go.opened;
          throw new BodyError("first fails");
        },
      });
      await inside.opened;
      const second = fromElsewhere(scene, { by, effect: (tx) => andThen(doing(note)(tx), () => "two") });
      go.open();
      await rejects(first, BodyError);
      equal(await second, "two");
      equal(await effects(note), 1);
    },
  },
  {
    name: "once: refuse says KEY_IN_PROGRESS at once, and leaves the transaction that was refused usable",
    mode: "async",
    dialects: ["postgres", "mysql"],
    async check(scene) {
      const { note, doing, effects, fixture, elsewhere } = scene;
      const [inside, go] = [gate(), gate()];
      const by = { scope: "pay", key: note, ifBusy: "refuse" } as const;
      const first = inTransaction(scene, {
        by,
        effect: async (tx) => {
          await doing(note)(tx);
          inside.open();
          await go.opened;
          return "one";
        },
      });
      await inside.opened;
      let code = "";
      await fixture.otherAdapter.transaction(async (tx) => {
        const refused = Promise.resolve(onceOf(elsewhere)(tx, by, () => doing(note)(tx)));
        code = await codeOfRejection(refused);
        await doing(`${note} after`)(tx);
      });
      equal(code, "KEY_IN_PROGRESS");
      go.open();
      equal(await first, "one");
      deepEqual([await effects(note), await effects(`${note} after`)], [1, 1]);
      equal(await fromElsewhere(scene, { by, effect: doing(note) }), "one");
    },
  },
  {
    name: "once: a hundred keys with twenty callers each take effect once each",
    async check(scene) {
      const { note, doing, effects } = scene;
      const keys = Array.from({ length: 100 }, (_, at) => `${note} ${at}`);
      const answers = new Map<string, Set<unknown>>(keys.map((key) => [key, new Set()]));
      const repeatable = new Set(["STORE_CONFLICT", "KEY_IN_PROGRESS"]);
      let token = 0;
      const one = async (key: string, at: number): Promise<void> => {
        const by: OnceRequest = { scope: "race", key, ifBusy: at % 3 === 0 ? "refuse" : "wait" };
        const call: Call = { by, effect: (tx) => andThen(doing(key)(tx), () => ++token) };
        for (;;) {
          try {
            answers.get(key)?.add(await (at % 2 === 0 ? inTransaction : fromElsewhere)(scene, call));
            return;
          } catch (error) {
            const code = isCodedError(error) ? error.code : scene.troubleOf(error);
            if (!repeatable.has(code) && code !== "transient") throw error;
            await wait(1);
          }
        }
      };
      // A few keys at a time: some clients give up on a transaction that waits too long for a connection.
      for (let from = 0; from < keys.length; from += keysAtOnce) {
        const some = keys.slice(from, from + keysAtOnce);
        await Promise.all(Array.from({ length: 20 }, (_, at) => some.map((key) => one(key, at))).flat());
      }
      for (const key of keys) {
        equal(await effects(key), 1);
        equal(answers.get(key)?.size, 1);
      }
    },
  },
  {
    name: "once: on a synchronous client an effect that returns a promise is STEP_ASYNC_BODY, and nothing stays",
    mode: "sync",
    async check(scene) {
      const { note, doing, effects } = scene;
      const by = { scope: "pay", key: note };
      equal(
        await codeOfRejection(inTransaction(scene, { by, effect: async (tx) => doing(note)(tx) })),
        "STEP_ASYNC_BODY",
      );
      equal(await effects(note), 0);
      equal(await inTransaction(scene, { by, effect: (tx) => andThen(doing(note)(tx), () => 1) }), 1);
    },
  },
  {
    name: "once: bad requests are refused before anything is written",
    async check(scene) {
      const { note, doing, effects } = scene;
      const codes: string[] = [];
      for (const by of [
        { scope: "", key: note },
        { scope: "pay", key: "" },
        { scope: "pay", key: "x".repeat(256) },
        { scope: "pay", key: note, ifBusy: "skip" },
        { scope: "pay", key: note, retention: "1s" },
        { scope: "pay", key: note, inpt: 1 },
        { scope: "pay", key: note, input: () => 1 },
      ] as OnceRequest[])
        codes.push(await codeOfRejection(inTransaction(scene, { by, effect: doing(note) })));
      const [option, key, value] = ["OPTION_INVALID", "KEY_INVALID", "VALUE_UNSUPPORTED"];
      deepEqual(codes, [option, key, key, option, option, option, value]);
      equal(await effects(note), 0);
    },
  },
  {
    name: "once: without makegood's tables it says PARTICIPANT_NOT_MIGRATED",
    async check(scene) {
      const { note, doing, unmigrated, fixture } = scene;
      for (const ifBusy of ["wait", "refuse"] as const) {
        const call = begin(() =>
          fixture.emptyAdapter.transaction((tx) =>
            onceOf(unmigrated)(tx, { scope: "pay", key: note, ifBusy }, () => doing(note)(tx)),
          ),
        );
        equal(await codeOfRejection(call), "PARTICIPANT_NOT_MIGRATED");
      }
    },
  },
  {
    name: "once: a pruned key is new again, and only what has expired is pruned",
    async check(scene) {
      const { note, doing, effects, orders } = scene;
      const [old, kept] = [`${note} old`, `${note} kept`];
      for (const key of [old, kept]) await inTransaction(scene, { by: { scope: "pay", key }, effect: doing(key) });
      await expire(scene, old);
      ok((await pruneRecords(orders)) >= 1);
      for (const key of [old, kept]) await inTransaction(scene, { by: { scope: "pay", key }, effect: doing(key) });
      deepEqual([await effects(old), await effects(kept)], [2, 1]);
    },
  },
];
