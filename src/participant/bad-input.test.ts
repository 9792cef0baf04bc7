// Every function of a participant refuses what cannot be a key, a name or a payload before it asks its database for anything:
// not for the state of the transaction either. Each is also given what is fine, and then asks: so the count counts.
import { describe, expect, it } from "vitest";
import { errorCatalog, isCodedError } from "../core/errors.ts";
import { defaultLimits } from "../core/limits.ts";
import { onMessage, topic } from "../core/message.ts";
import type { Mode, Participant, TxAdapter } from "../core/participant.ts";
import { silentLog } from "../core/ports.ts";
import type { Dialect } from "../core/store.ts";
import { createExchange } from "../http/exchange.ts";
import { pruneBarrier } from "./barrier/prune.ts";
import { pruneLocks } from "./lock/lock.ts";
import { stateMachine } from "./machine/machine.ts";
import { participant } from "./participant.ts";
import { idempotent } from "./record/idempotent.ts";
import { pruneRecords } from "./record/prune.ts";
import { settleRecord } from "./record/settle.ts";

// biome-ignore lint/suspicious/noExplicitAny: what no type would let through
type Any = any;

/** Of a kind that no client takes for one that passes, so that nothing is tried again. */
class ReachedError extends Error {
  readonly code = "42601";
  readonly errno = 1064;
}

/** A client that counts what it is asked, and answers nothing. */
function countingClient(dialect: Dialect, mode: Mode) {
  let count = 0;
  const reach = (): Any => {
    count++;
    const error = new ReachedError("the database was asked");
    if (mode === "sync") throw error;
    return Promise.reject(error);
  };
  const assertTransaction = (): Any => {
    count++;
  };
  const adapter = { dialect, mode, transaction: reach, query: reach, statement: reach, assertTransaction };
  return { adapter: adapter as unknown as TxAdapter<unknown>, count: () => count };
}

// ── What is bad ────────────────────────────────────────────────────────────────────────────────────────────────────

type Bad = Readonly<Record<string, unknown>>;

const noText: Bad = { "no text": 7, "an object": {}, null: null, "a symbol": Symbol("key"), "a list": ["a"] };
const unstorable: Bad = { "U+0000": "a\0b", "half of a surrogate pair": "a\ud800", "too long": "x".repeat(5_000) };
const emptyText: Bad = { "an empty text": "" };
/** What must be given. */
const missing: Bad = { nothing: undefined };
const keys: Bad = { ...missing, ...emptyText, ...noText, ...unstorable, "256 bytes": "ä".repeat(128) };
/** What may be left out. */
const marks: Bad = { ...emptyText, ...noText, ...unstorable, "256 bytes": "ä".repeat(128) };
const notes: Bad = { ...noText, ...unstorable };
const names: Bad = { ...missing, ...emptyText, ...noText, ...unstorable };
const ids: Bad = {
  ...missing,
  ...emptyText,
  ...unstorable,
  "an object": {},
  null: null,
  "a fraction": 1.5,
  NaN: Number.NaN,
};
const numbers: Bad = { "a text": "1", "a fraction": 1.5, NaN: Number.NaN, "an object": {} };
const durations: Bad = {
  "a text": "soon",
  "a negative one": -1,
  NaN: Number.NaN,
  "too long": "20000d",
  "an object": {},
};
const noFunction: Bad = { null: null, "a text": "go", "an object": {} };
const noObject: Bad = { "a text": "a", "a number": 1, null: null };
const self: Record<string, unknown> = {};
self["self"] = self;
let deep: unknown = 1;
for (let depth = 0; depth < 500; depth++) deep = [deep];
const payloads: Bad = {
  "a function": () => 1,
  "a symbol": { at: Symbol("a") },
  "itself in itself": self,
  "what is too deep": deep,
  "what is too large": "x".repeat(defaultLimits.maxInputBytes + 1),
  "half of a surrogate pair": { text: "a\ud800" },
  "a promise": { later: Promise.resolve(1) },
};

/** Of a body only a fingerprint is stored, and how large it may be is for its parser to say. */
const { "what is too large": _large, ...unreadable } = payloads;

// ── What is given it ───────────────────────────────────────────────────────────────────────────────────────────────

interface Scene {
  readonly on: Participant<Any, Any>;
  readonly machine: Any;
}

interface Argument {
  readonly name: string;
  readonly good: unknown;
  readonly bad: Bad;
  readonly give: (scene: Scene, value: Any) => unknown;
}

const tx = {};
const effect = (): number => 1;
const placed = topic<Any>("placed");
const id = "018f6a3c-0000-7000-8000-000000000000";
const call = { executionId: id, step: "charge", role: "action", round: 0, key: "k" };
const change = { table: "account", id: 1, version: 1, set: { balance: 1 } };

const argument = (name: string, good: unknown, bad: Bad, give: Argument["give"]): Argument => ({
  name,
  good,
  bad,
  give,
});

const ofOnce =
  (by: object, fn: Any = effect) =>
  ({ on }: Scene) =>
    on.once(tx, { scope: "s", key: "k", ...by }, fn);
const once: readonly Argument[] = [
  argument("scope", "s", keys, (scene, value) => ofOnce({ scope: value })(scene)),
  argument("key", "k", keys, (scene, value) => ofOnce({ key: value })(scene)),
  argument("input", { cents: 1 }, payloads, (scene, value) => ofOnce({ input: value })(scene)),
  argument("ifBusy", "refuse", noText, (scene, value) => ofOnce({ ifBusy: value })(scene)),
  argument("retention", "1d", durations, (scene, value) => ofOnce({ retention: value })(scene)),
  argument("the request", { scope: "s", key: "k" }, noObject, ({ on }, value) => on.once(tx, value, effect)),
  argument("the effect", effect, noFunction, (scene, value) => ofOnce({}, value)(scene)),
];

const ofIdempotent =
  (options: object, input: unknown = 1, fn: Any = effect) =>
  async ({ on }: Scene) =>
    idempotent({ on, scope: "s", key: () => "k", ...options } as Any, fn)(input);
const idempotents: readonly Argument[] = [
  argument("scope", "s", keys, (scene, value) => ofIdempotent({ scope: value })(scene)),
  argument("scope made of the input", "s", keys, (scene, value) => ofIdempotent({ scope: () => value })(scene)),
  argument("key", "k", keys, (scene, value) => ofIdempotent({ key: () => value })(scene)),
  argument("input", { cents: 1 }, payloads, (scene, value) => ofIdempotent({}, value)(scene)),
  argument("lease", "1m", durations, (scene, value) => ofIdempotent({ lease: value })(scene)),
  argument("retention", "1d", durations, (scene, value) => ofIdempotent({ retention: value })(scene)),
  argument("maxAttempts", 3, numbers, (scene, value) => ofIdempotent({ maxAttempts: value })(scene)),
  argument("the function", effect, noFunction, (scene, value) => ofIdempotent({}, 1, value)(scene)),
];

const ofLock =
  (name: unknown, options: unknown = {}, run: unknown = effect) =>
  ({ on }: Scene) =>
    on.lock(name as Any, options as Any, run as Any);
const lock: readonly Argument[] = [
  argument("name", "n", keys, (scene, value) => ofLock(value)(scene)),
  argument("wait", 0, durations, (scene, value) => ofLock("n", { wait: value })(scene)),
  argument("lease", "1m", durations, (scene, value) => ofLock("n", { lease: value })(scene)),
  argument("options", {}, noObject, (scene, value) => ofLock("n", value)(scene)),
  argument("the function", effect, noFunction, (scene, value) => ofLock("n", {}, value)(scene)),
];

const ofVersioned =
  (more: object) =>
  ({ on }: Scene) =>
    on.updateVersioned(tx, { ...change, ...more } as Any);
const updateVersioned: readonly Argument[] = [
  argument("table", "account", names, (scene, value) => ofVersioned({ table: value })(scene)),
  argument("id", 1, ids, (scene, value) => ofVersioned({ id: value })(scene)),
  argument("version", 1, { ...numbers, ...missing, null: null }, (scene, value) =>
    ofVersioned({ version: value })(scene),
  ),
  argument("key", "k", marks, (scene, value) => ofVersioned({ key: value })(scene)),
  argument("set", { a: 1 }, { ...missing, ...noObject }, (scene, value) => ofVersioned({ set: value })(scene)),
  argument("a column", "a", { ...emptyText, ...unstorable }, (scene, value) =>
    ofVersioned({ set: { [value]: 1 } })(scene),
  ),
  argument("a value", 1, missing, (scene, value) => ofVersioned({ set: { a: value } })(scene)),
  argument("the column of the id", "nr", { ...emptyText, ...noText, ...unstorable }, (scene, value) =>
    ofVersioned({ columns: { id: value } })(scene),
  ),
  argument("the change", change, noObject, ({ on }, value) => on.updateVersioned(tx, value)),
];

/** Each argument of a move on both ways that a move can go: at once, and with the row locked first. */
const ofMove =
  (verb: "move" | "tryMove", row: object, event: unknown, options: object): Argument["give"] =>
  ({ machine }: Scene) =>
    machine[verb](tx, row, event, options);
const moves: readonly Argument[] = (["move", "tryMove"] as const).flatMap((verb) =>
  [
    { way: "at once", row: { id: 1, state: "open" }, options: {} },
    { way: "locked", row: { id: 1 }, options: { eventId: "e" } },
  ].flatMap(({ way, row, options }) => {
    const of = (name: string, good: unknown, bad: Bad, give: (value: Any) => Argument["give"]): Argument =>
      argument(`${verb}, ${way}: ${name}`, good, bad, (scene, value) => give(value)(scene, value));
    return [
      of("id", 1, ids, (value) => ofMove(verb, { ...row, id: value }, "close", options)),
      of("state", "open", { ...emptyText, ...noText, ...unstorable }, (value) =>
        ofMove(verb, { ...row, state: value }, "close", options),
      ),
      of("version", 1, numbers, (value) => ofMove(verb, { ...row, version: value }, "close", options)),
      of("event", "close", names, (value) => ofMove(verb, row, value, options)),
      of("eventId", "e", marks, (value) => ofMove(verb, row, "close", { ...options, eventId: value })),
      of("by", "ann", notes, (value) => ofMove(verb, row, "close", { ...options, by: value })),
      of("reason", "why", notes, (value) => ofMove(verb, row, "close", { ...options, reason: value })),
      of("set", { note: "a" }, noObject, (value) => ofMove(verb, row, "close", { ...options, set: value })),
      of("a column", "note", { ...emptyText, ...unstorable }, (value) =>
        ofMove(verb, row, "close", { ...options, set: { [value]: 1 } }),
      ),
      of("a value", 1, missing, (value) => ofMove(verb, row, "close", { ...options, set: { note: value } })),
      of("the row", row, { ...noObject, ...missing }, (value) => ofMove(verb, value, "close", options)),
      of("options", options, { "a text": "a", "a number": 1 }, (value) => ofMove(verb, row, "close", value)),
    ];
  }),
);
const machine: readonly Argument[] = [
  ...moves,
  argument("history: id", 1, ids, ({ machine: it }, value) => it.history(tx, value)),
  argument("history: limit", 1, { ...numbers, zero: 0 }, ({ machine: it }, value) =>
    it.history(tx, 1, { limit: value }),
  ),
  argument(
    "migrateRows: map",
    { old: "open" },
    { ...noObject, ...missing, "a state that is none": { old: "gone" } },
    ({ machine: it }, value) => it.migrateRows(value),
  ),
  argument("migrateRows: by", "ann", notes, ({ machine: it }, value) => it.migrateRows({ old: "open" }, { by: value })),
  argument("pruneHistory: keep", "1d", { ...durations, ...missing }, ({ machine: it }, value) =>
    it.pruneHistory({ keep: value }),
  ),
];

const ofPublish =
  (options: object, payload: unknown = 1, to: Any = placed) =>
  ({ on }: Scene) =>
    on.publish(tx, to, payload, options as Any);
const publish: readonly Argument[] = [
  argument("topic", placed, { "its name alone": "placed", ...noObject, ...missing }, ({ on }, value) =>
    on.publish(tx, value, 1),
  ),
  argument("name in a topic made by hand", "placed", names, (scene, value) =>
    ofPublish({}, 1, { ...placed, name: value })(scene),
  ),
  argument("a topic's name", "placed", names, async (scene, value) => ofPublish({}, 1, topic(value))(scene)),
  argument("payload", { a: 1 }, payloads, (scene, value) => ofPublish({}, value)(scene)),
  argument("payload with an id", { a: 1 }, payloads, (scene, value) => ofPublish({ id: "m" }, value)(scene)),
  argument("id", "m", marks, (scene, value) => ofPublish({ id: value })(scene)),
  argument("orderingKey", "k", marks, (scene, value) => ofPublish({ orderingKey: value })(scene)),
  argument("cancelKey", "k", marks, (scene, value) => ofPublish({ cancelKey: value })(scene)),
  argument("headers", { a: "b" }, noObject, (scene, value) => ofPublish({ headers: value })(scene)),
  argument("a header", "b", { ...emptyText, ...noText, ...unstorable }, (scene, value) =>
    ofPublish({ headers: { a: value } })(scene),
  ),
  argument("delay", "1s", durations, (scene, value) => ofPublish({ delay: value })(scene)),
  argument("cancelMessages: cancelKey", "k", keys, ({ on }, value) => on.cancelMessages(tx, value)),
];

const ofBarrier =
  (more: object) =>
  ({ on }: Scene) =>
    on.barrier(tx, { ...call, ...more } as Any, effect);
const barrier: readonly Argument[] = [
  argument("executionId", id, keys, (scene, value) => ofBarrier({ executionId: value })(scene)),
  argument("step", "charge", keys, (scene, value) => ofBarrier({ step: value })(scene)),
  argument("role", "try", names, (scene, value) => ofBarrier({ role: value })(scene)),
  argument("round", 1, { ...numbers, ...missing, "a negative one": -1 }, (scene, value) =>
    ofBarrier({ round: value })(scene),
  ),
  argument("the call", call, { ...noObject, ...missing }, ({ on }, value) => on.barrier(tx, value, effect)),
  argument("the effect", effect, noFunction, ({ on }, value) => on.barrier(tx, call as Any, value)),
];

const upkeep: readonly Argument[] = [
  argument("pruneBarrier: ids", [id], { "no ids": ["a"], "no list": 7, ...missing }, ({ on }, value) =>
    pruneBarrier(on, value),
  ),
  argument("pruneBarrier: startedBefore", "90d", durations, ({ on }, value) =>
    pruneBarrier(on, { startedBefore: value }),
  ),
  argument("pruneRecords: batch", 10, { ...numbers, zero: 0 }, ({ on }, value) => pruneRecords(on, { batch: value })),
  argument("pruneLocks: unusedFor", "1d", { ...durations, ...missing }, ({ on }, value) =>
    pruneLocks(on, { unusedFor: value }),
  ),
  argument("settleRecord: the record", { scope: "s", key: "k" }, noObject, ({ on }, value) =>
    settleRecord(on, value, { kind: "retry" }, { by: { kind: "user", id: "ann" } }),
  ),
  argument("settleRecord: message", "m", noText, ({ on }, value) => settle(on, {}, { kind: "failed", message: value })),
  argument(
    "settleRecord: by",
    { kind: "user", id: "ann" },
    { ...noObject, ...missing, "no id": { kind: "user" } },
    ({ on }, value) => settleRecord(on, { scope: "s", key: "k" }, { kind: "retry" }, { by: value }),
  ),
  argument("settleRecord: scope", "s", keys, ({ on }, value) => settle(on, { scope: value })),
  argument("settleRecord: key", "k", keys, ({ on }, value) => settle(on, { key: value })),
  argument("settleRecord: result", 1, payloads, ({ on }, value) =>
    settle(on, {}, { kind: "succeeded", result: value }),
  ),
  argument(
    "settleRecord: verdict",
    { kind: "retry" },
    { ...noObject, "an unknown one": { kind: "maybe" } },
    ({ on }, value) => settle(on, {}, value),
  ),
];
const settle = (on: Any, at: object, verdict: Any = { kind: "retry" }): Promise<void> =>
  settleRecord(on, { scope: "s", key: "k", ...at } as Any, verdict, { by: { kind: "user", id: "ann" } });

/** All frameworks' middleware; what is wrong with a key is an answer, and not an error. */
const ofExchange =
  (more: object) =>
  async ({ on }: Scene) => {
    const exchange = createExchange({ on, scope: () => "s" });
    const begun = await exchange.begin({
      ...{ method: "POST", path: "/payments", key: "k", fingerprint: undefined },
      ...{ scope: () => "s", body: () => ({ cents: 1 }) },
      ...more,
    } as Any);
    if (begun.kind !== "answer") return;
    const { code } = JSON.parse(new TextDecoder().decode(begun.response.body ?? undefined)) as { code: string };
    // The store could not be asked.
    throw code.startsWith("KEY_") ? Object.assign(new AnsweredError(code), { code }) : new ReachedError(code);
  };
class AnsweredError extends Error {}
const texts: Bad = { ...emptyText, ...unstorable, "256 characters": "x".repeat(256), "letters beyond ASCII": "ä" };
const middleware: readonly Argument[] = [
  argument("key", '"k"', { ...texts, "half a quote": '"a', "two keys": "a, b" }, (scene, value) =>
    ofExchange({ key: value })(scene),
  ),
  argument("scope", "s", keys, (scene, value) => ofExchange({ scope: () => value })(scene)),
  argument("body", { cents: 1 }, unreadable, (scene, value) => ofExchange({ body: () => value })(scene)),
];

// ── The claim ──────────────────────────────────────────────────────────────────────────────────────────────────────

const functions = {
  once,
  idempotent: idempotents,
  lock,
  updateVersioned,
  machine,
  publish,
  barrier,
  upkeep,
  "Idempotency-Key": middleware,
};
const clients: readonly (readonly [Dialect, Mode])[] = [
  ["sqlite", "sync"],
  ["sqlite", "async"],
  ["postgres", "async"],
  ["mysql", "async"],
];

describe.each(clients)("on %s, %s", (dialect, mode) => {
  function prepare() {
    const client = countingClient(dialect, mode);
    const on = participant("orders", client.adapter, { log: silentLog });
    const states = { open: { on: { close: "closed" } }, closed: { final: true } } as const;
    const scene: Scene = {
      on,
      machine: stateMachine(on, "door", {
        table: "doors",
        version: "version",
        initial: "open",
        states,
        refusals: "record",
      }),
    };
    return { scene, count: client.count };
  }
  /** Who awaits is told by a rejection, also of what is found out at once. */
  const thrownBy = async (give: Argument["give"], scene: Scene, value: unknown): Promise<unknown> => {
    let answer: unknown;
    try {
      answer = give(scene, value);
    } catch (error) {
      return mode === "sync" ? error : new Error(`thrown, and not rejected with: ${error}`);
    }
    return Promise.resolve(answer).then(
      () => undefined,
      (error: unknown) => error,
    );
  };

  describe.each(Object.entries(functions))("%s", (_name, args) => {
    it.each(args)(
      "refuses a bad $name by a coded error, and asks the database for nothing",
      async ({ good, bad, give }) => {
        const fine = prepare();
        await thrownBy(give, fine.scene, good);
        expect(fine.count(), "what is fine was refused").toBeGreaterThan(0);
        const wrong: string[] = [];
        for (const [what, value] of Object.entries(bad)) {
          const { scene, count } = prepare();
          const error = await thrownBy(give, scene, value);
          const code = (error as { code?: string } | undefined)?.code ?? "";
          const isCoded = (isCodedError(error) && code in errorCatalog) || error instanceof AnsweredError;
          if (!isCoded || count() > 0) wrong.push(`${what}: ${error}, ${count()} asked`);
        }
        expect(wrong).toEqual([]);
      },
    );
  });
});

it.each(Object.entries({ ...names, "its name alone": "placed" }))(
  "onMessage refuses %s as its topic where it is written",
  (_what, value) => {
    expect(() => onMessage(value as Any)).toThrow(expect.objectContaining({ code: "OPTION_INVALID" }));
  },
);
