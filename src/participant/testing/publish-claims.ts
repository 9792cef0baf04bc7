import { deepEqual, equal, ok, rejects } from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { setTimeout as wait } from "node:timers/promises";
import { type PublishOptions, topic } from "../../core/message.ts";
import type { ClaimedMessage, OutboxPort, Report, Verdict } from "../../core/outbox.ts";
import type { Schema } from "../../core/schema.ts";
import { toStoredError } from "../../core/stored-error.ts";
import { andThen, BodyError, type Claim, codeOf, type Scene } from "./scene.ts";

const order: Schema<{ id: string }, { id: string }> = {
  "~standard": {
    version: 1,
    vendor: "makegood-test",
    validate: (value) =>
      typeof (value as { id?: unknown })?.id === "string" ? { value } : { issues: [{ message: "no id" }] },
  },
};
const lease = 60_000;

/** What a claim about messages works with: a topic of its own, and one subscriber. */
function messagesOf({ orders, port, fixture: { adapter } }: Scene) {
  const name = `t${randomUUID()}`;
  const placed = topic(name, order);
  const publish = async (payload: unknown, options?: PublishOptions): Promise<string> =>
    adapter.transaction((tx) => orders.publish(tx, placed, payload as { id: string }, options));
  const claimFrom = (
    outbox: OutboxPort,
    request: Partial<{ subscribers: string[]; kind: "suspect"; leaseMs: number }> = {},
  ) =>
    outbox
      .exchange({
        reports: [],
        claim: {
          topics: [name],
          subscribers: ["a/j"],
          kind: "fresh",
          limit: 100,
          limitPerTopic: 100,
          leaseMs: lease,
          ...request,
        },
        watch: null,
      })
      .then(({ claimed }) => claimed);
  const report = (message: ClaimedMessage, verdict: Verdict, of: Report["of"] = "claimed") =>
    port.outbox.exchange({
      reports: [{ seq: message.seq, fence: message.fence, of, isKept: message.isKept, verdict }],
      claim: null,
      watch: null,
    });
  const claim = (request = {}) => claimFrom(port.outbox, request);
  const claimIds = async () => (await claim()).map(({ id }) => id);
  return { name, placed, publish, claim, claimFrom, claimIds, report };
}

const failure = toStoredError(new BodyError("not now"));
/** Until the database's clock has gone on. */
const passMs = (ms: number): Promise<void> => wait(ms);

export const publishClaims: readonly Claim[] = [
  {
    name: "publish: the message is there if and only if the transaction commits, as it was handed over",
    async check(scene) {
      const { orders, port, fixture } = scene;
      const { publish, claim, placed } = messagesOf(scene);
      const failing = async () =>
        fixture.adapter.transaction((tx) =>
          andThen(orders.publish(tx, placed, { id: "lost" }), () => {
            throw new BodyError("rolls back");
          }),
        );
      await rejects(failing(), BodyError);
      const headers = { traceparent: "00-1", grüße: "ü" };
      const id = await publish({ id: "A-17" }, { headers, orderingKey: "k", cancelKey: "c" });
      const [message, ...others] = await claim();
      ok(message !== undefined);
      equal(others.length, 0);
      equal(message.id, id);
      deepEqual(port.outbox.decode(message.payload), { id: "A-17" });
      deepEqual(message.headers, headers);
      deepEqual([message.orderingKey, message.starts, message.fails, message.remaining], ["k", 1, 0, null]);
      ok(Number.isSafeInteger(message.publishedAt) && message.publishedAt > 1_700_000_000_000);
    },
  },
  {
    name: "publish: what is malformed is refused before the database is touched",
    async check(scene) {
      const { orders, fixture } = scene;
      const { placed, claimIds } = messagesOf(scene);
      const codeFor = async (payload: unknown, options?: unknown, to: unknown = placed): Promise<string> => {
        try {
          await fixture.adapter.transaction(
            (tx) => orders.publish(tx, to as typeof placed, payload as never, options as never) as never,
          );
        } catch (error) {
          return codeOf(error);
        }
        return "none";
      };
      const good = { id: "1" };
      deepEqual(
        [
          await codeFor({ id: 1 }),
          await codeFor({ id: "x".repeat(300_000) }),
          await codeFor({ id: "1", at: new WeakMap() }),
          await codeFor(good, { id: "" }),
          await codeFor(good, { orderingKey: "ü".repeat(128) }),
          await codeFor(good, { headers: { a: 1 } }),
          await codeFor(good, { dealy: "1s" }),
          await codeFor(good, { delay: "soon" }),
          await codeFor(good, {}, "order.placed"),
        ],
        ["INPUT_INVALID", "VALUE_TOO_LARGE", "VALUE_UNSUPPORTED", ...Array<string>(6).fill("OPTION_INVALID")],
      );
      deepEqual(await claimIds(), []);
    },
  },
  {
    name: "publish: the same id with the same payload is one message, also when it is done; with another payload it is refused",
    async check(scene) {
      const { publish, claim, claimIds, report } = messagesOf(scene);
      equal(await publish({ id: "A" }, { id: "order A" }), "order A");
      equal(await publish({ id: "A" }, { id: "order A" }), "order A");
      const [message, ...others] = await claim();
      ok(message !== undefined && others.length === 0);
      await report(message, { kind: "done" });
      await publish({ id: "A" }, { id: "order A" });
      deepEqual(await claimIds(), []);
      await rejects(publish({ id: "B" }, { id: "order A" }), { code: "MESSAGE_ID_REUSED" });
    },
  },
  {
    name: "publish: in an unmigrated database it says so",
    async check(scene) {
      const { placed } = messagesOf(scene);
      const publish = async () =>
        scene.fixture.emptyAdapter.transaction((tx) => scene.unmigrated.publish(tx, placed, { id: "1" }));
      await rejects(publish(), { code: "PARTICIPANT_NOT_MIGRATED" });
    },
  },
  {
    name: "a schema that answers late is refused, since nothing may be awaited here",
    mode: "sync",
    async check(scene) {
      const late: Schema<string, string> = {
        "~standard": { version: 1, vendor: "makegood-test", validate: async (value) => ({ value }) },
      };
      const publish = () =>
        scene.fixture.adapter.transaction((tx) => scene.orders.publish(tx, topic("late", late), "1"));
      try {
        publish();
        ok(false, "expected it to throw");
      } catch (error) {
        equal(codeOf(error), "OPTION_INVALID");
      }
    },
  },
  {
    name: "a schema that answers late is waited for",
    mode: "async",
    async check(scene) {
      const late: Schema<string, string> = {
        "~standard": {
          version: 1,
          vendor: "makegood-test",
          validate: async (value) => (value === "good" ? { value } : { issues: [{ message: "bad" }] }),
        },
      };
      const publish = async (payload: string) =>
        scene.fixture.adapter.transaction((tx) => scene.orders.publish(tx, topic("late", late), payload));
      equal(typeof (await publish("good")), "string");
      await rejects(publish("bad"), { code: "INPUT_INVALID" });
    },
  },
  {
    name: "claim: two relays never get the same message, and one that reports late changes nothing",
    async check(scene) {
      const { publish, claim, claimFrom, claimIds, report } = messagesOf(scene);
      for (let n = 0; n < 6; n++) await publish({ id: `${n}` });
      const [mine, others] = await Promise.all([claim({ leaseMs: 1 }), claimFrom(scene.other.outbox)]);
      equal(new Set([...mine, ...others].map(({ id }) => id)).size, mine.length + others.length);
      const rest = await claim({ leaseMs: 1 });
      equal(mine.length + others.length + rest.length, 6);
      const abandoned = [...mine, ...rest][0] ?? (await claim({ leaseMs: 1 }))[0];
      if (abandoned === undefined) return;
      await passMs(10);
      const taken = await claim({ kind: "suspect" });
      const again = taken.find(({ id }) => id === abandoned.id);
      ok(again !== undefined);
      deepEqual([again.fence, again.starts], [abandoned.fence + 1, 2]);
      await report(abandoned, { kind: "done" });
      await report(again, { kind: "released" });
      ok((await untilSome(claimIds)).includes(again.id));
    },
  },
  {
    name: "claim: a delayed message waits for its time, by the database's clock",
    async check(scene) {
      const { publish, claimIds } = messagesOf(scene);
      const late = await publish({ id: "late" }, { delay: 1_500 });
      const soon = await publish({ id: "soon" });
      deepEqual(await claimIds(), [soon]);
      deepEqual(await untilSome(claimIds), [late]);
    },
  },
  {
    name: "claim: of an ordering key only the first; one that waits for its retry holds up the others, one that was delayed does not",
    async check(scene) {
      const { publish, claim, claimIds, report } = messagesOf(scene);
      const key = { orderingKey: "A" };
      await publish({ id: "0" }, { ...key, delay: "1h" });
      const [first, second] = [await publish({ id: "1" }, key), await publish({ id: "2" }, key)];
      const other = await publish({ id: "3" }, { orderingKey: "B" });
      const claimed = await claim();
      deepEqual(
        claimed.map(({ id }) => id),
        [first, other],
      );
      const head = claimed[0] as ClaimedMessage;
      deepEqual(await claimIds(), []);
      await report(head, { kind: "retry", error: failure, fails: 1, delayMs: 1_500 });
      deepEqual(await claimIds(), []);
      const [again] = await untilSome(claim);
      deepEqual([again?.id, again?.fails], [first, 1]);
      await report(again as ClaimedMessage, { kind: "dead", error: failure });
      deepEqual(await claimIds(), []);
      const by = { actor: { kind: "user", id: "ann" }, note: "gone" } as const;
      equal((await scene.port.outbox.decide(again as ClaimedMessage, "skip", by))?.status, "dead");
      equal(await scene.port.outbox.decide(again as ClaimedMessage, "skip", by), null);
      const [next] = await claim();
      equal(next?.id, second);
    },
  },
  {
    name: "an ordered message whose executions run is looked at, blocks its key when one fails, and goes on when it completes",
    async check(scene) {
      const { name, publish, claim, claimIds, report } = messagesOf(scene);
      const { outbox } = scene.port;
      const executions = [{ id: scene.fixture.newId(), job: "j", key: null }];
      await publish({ id: "1" }, { orderingKey: "A" });
      const second = await publish({ id: "2" }, { orderingKey: "A" });
      const [message] = await claim();
      ok(message !== undefined);
      await report(message, { kind: "started", executions });
      deepEqual(await claimIds(), []);
      await report(message, { kind: "blocked", executions, error: failure }, "watched");
      const isMine = ({ topic }: { topic: string }) => topic === name;
      const stuck = (await outbox.stuck(1_000)).filter(isMine);
      deepEqual(
        stuck.map(({ id, status, error }) => [id, status, error]),
        [[message.id, "blocked", failure]],
      );
      deepEqual(stuck[0]?.executions, executions);
      const by = { actor: { kind: "user", id: "ann" }, note: null } as const;
      equal((await outbox.decide(message, "retry", by))?.status, "blocked");
      const watch = { topics: [name], limit: 10, everyMs: lease };
      const { watched } = await outbox.exchange({ reports: [], claim: null, watch });
      deepEqual(watched[0]?.executions, executions);
      equal(watched[0]?.isBlocked, true);
      deepEqual((await outbox.exchange({ reports: [], claim: null, watch })).watched, []);
      await report(message, { kind: "done" }, "watched");
      deepEqual(await claimIds(), [second]);
    },
  },
  {
    name: "a message delivered in part is for those who have the rest of its subscribers, and for anybody when nobody has",
    async check(scene) {
      const { name, publish, claim, report } = messagesOf(scene);
      const { outbox } = scene.port;
      await outbox.subscribe([
        { topic: name, subscriber: "a/j" },
        { topic: name, subscriber: "b/j" },
      ]);
      await outbox.subscribe([{ topic: name, subscriber: "b/j" }]);
      await publish({ id: "1" });
      const { claimed, subscriptions } = await outbox.exchange({
        reports: [],
        claim: { topics: [name], subscribers: ["a/j"], kind: "fresh", limit: 1, limitPerTopic: 9, leaseMs: lease },
        watch: null,
      });
      deepEqual(new Set(subscriptions.map(({ subscriber }) => subscriber)), new Set(["a/j", "b/j"]));
      await report(claimed[0] as ClaimedMessage, { kind: "partly", remaining: ["b/j"], executions: [] });
      deepEqual(await claim(), []);
      const [rest] = await claim({ subscribers: ["b/j", "c/j"] });
      deepEqual(rest?.remaining, ["b/j"]);
      await report(rest as ClaimedMessage, { kind: "partly", remaining: ["b/j"], executions: [] });
      equal(await outbox.unsubscribe({ topic: name, subscriber: "b/j" }), true);
      equal(await outbox.unsubscribe({ topic: name, subscriber: "b/j" }), false);
      equal((await claim()).length, 1);
    },
  },
  {
    name: "cancelMessages: takes back what nobody has claimed, in the caller's transaction",
    async check(scene) {
      const { orders, fixture } = scene;
      const { publish, claim, claimIds } = messagesOf(scene);
      const cancelKey = randomUUID();
      const cancel = async (): Promise<number> =>
        fixture.adapter.transaction((tx) => orders.cancelMessages(tx, cancelKey));
      await publish({ id: "1" }, { cancelKey });
      equal((await claim()).length, 1);
      await publish({ id: "2" }, { cancelKey, delay: "1h" });
      await publish({ id: "3" }, { cancelKey });
      const failing = async () =>
        fixture.adapter.transaction((tx) =>
          andThen(orders.cancelMessages(tx, cancelKey), () => {
            throw new BodyError("rolls back");
          }),
        );
      await rejects(failing(), BodyError);
      equal(await cancel(), 2);
      equal(await cancel(), 0);
      deepEqual(await claimIds(), []);
    },
  },
  {
    name: "a commit that comes late is claimed, also after later messages were",
    mode: "async",
    dialects: ["postgres", "mysql"],
    async check(scene) {
      const { orders, fixture } = scene;
      const { publish, claimIds, placed } = messagesOf(scene);
      let late = "";
      await fixture.adapter.transaction(async (tx) => {
        late = await orders.publish(tx, placed, { id: "late" });
        const early = await publish({ id: "early" });
        deepEqual(await claimIds(), [early]);
      });
      deepEqual(await claimIds(), [late]);
    },
  },
  {
    name: "8 relays at once deliver 10 keys in order, each message once",
    mode: "async",
    dialects: ["postgres", "mysql"],
    async check(scene) {
      const { name, publish, claimFrom } = messagesOf(scene);
      const [keys, perKey] = [10, 6];
      for (let n = 0; n < perKey; n++)
        await Promise.all(Array.from({ length: keys }, (_, key) => publish({ id: `${n}` }, { orderingKey: `${key}` })));
      const delivered = new Map<string, string[]>();
      let count = 0;
      const relay = async (outbox: OutboxPort): Promise<void> => {
        while (count < keys * perKey) {
          const claimed = await claimFrom(outbox);
          const reports = claimed.map(({ seq, fence, isKept, orderingKey, payload }): Report => {
            const key = orderingKey ?? "";
            delivered.set(key, [...(delivered.get(key) ?? []), (outbox.decode(payload) as { id: string }).id]);
            count++;
            return { seq, fence, isKept, of: "claimed", verdict: { kind: "done" } };
          });
          await passMs(1);
          await outbox.exchange({ reports, claim: null, watch: null });
        }
      };
      const { outbox } = scene.port;
      await Promise.all([...Array(4).fill(outbox), ...Array(4).fill(scene.other.outbox)].map(relay));
      const expected = Array.from({ length: perKey }, (_, n) => `${n}`);
      for (let key = 0; key < keys; key++) deepEqual(delivered.get(`${key}`), expected);
      deepEqual(
        (
          await outbox.exchange({
            reports: [],
            claim: { topics: [name], subscribers: [], kind: "fresh", limit: 9, limitPerTopic: 9, leaseMs: 9 },
            watch: null,
          })
        ).claimed,
        [],
      );
    },
  },
  {
    name: "unserved: what waits for long without a subscriber is told, and what ended long ago is pruned without harm",
    async check(scene) {
      const { publish, claimIds } = messagesOf(scene);
      await publish({ id: "1" });
      await scene.port.outbox.prune();
      deepEqual(await scene.port.outbox.unserved(), []);
      equal((await claimIds()).length, 1);
    },
  },
];

/** Asks until there is something, for some seconds. */
async function untilSome<T>(ask: () => Promise<readonly T[]>): Promise<readonly T[]> {
  for (let tried = 0; tried < 500; tried++) {
    const found = await ask();
    if (found.length > 0) return found;
    await passMs(10);
  }
  return [];
}
