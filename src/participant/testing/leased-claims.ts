// What every store of leased records must do: a participant's database, Redis. Each claim uses keys of its own.
import { deepEqual, equal, ok } from "node:assert/strict";
import { setTimeout as wait } from "node:timers/promises";
import type { Claimed, LeasedRecords } from "../record/leased.ts";
import type { ClaimRequest, Held } from "../record/record.ts";
import { BodyError } from "./scene.ts";

export interface LeasedFixture {
  readonly records: LeasedRecords;
  /** Of the same store, over connections of its own, as another process would have. */
  readonly other: LeasedRecords;
  readonly newId: () => string;
}

export interface LeasedClaim {
  readonly name: string;
  readonly check: (fixture: LeasedFixture) => Promise<void>;
}

const shortMs = 40;
const longMs = 60_000;
const bytes = (text: string): Uint8Array => new Uint8Array([1, ...new TextEncoder().encode(text)]);

interface Scene extends LeasedFixture {
  readonly request: ClaimRequest;
  /** A request for the same key by another owner. */
  readonly rival: (changes?: Partial<ClaimRequest>) => ClaimRequest;
}

function sceneOf(fixture: LeasedFixture): Scene {
  const { newId } = fixture;
  const request: ClaimRequest = {
    scope: `scope ${newId()}`,
    key: "Key 1",
    fingerprint: "1abc",
    owner: newId(),
    leaseMs: longMs,
    maxAttempts: 3,
    retainMs: 600_000,
  };
  return { ...fixture, request, rival: (changes = {}) => ({ ...request, owner: newId(), ...changes }) };
}

async function won(records: LeasedRecords, request: ClaimRequest): Promise<Held & { readonly attempt: number }> {
  const claimed = await records.claim(request);
  equal(claimed.kind, "claimed");
  const { fence, attempt } = claimed as Extract<Claimed, { kind: "claimed" }>;
  return { scope: request.scope, key: request.key, owner: request.owner, fence, attempt };
}

/** Claims when the lease of the last owner is over. */
async function wonInTime(records: LeasedRecords, request: ClaimRequest): Promise<Held & { readonly attempt: number }> {
  for (let tried = 0; tried < 500; tried++) {
    const claimed = await records.claim(request);
    if (claimed.kind === "claimed") return { ...request, fence: claimed.fence, attempt: claimed.attempt };
    equal(claimed.kind, "busy");
    await wait(5);
  }
  throw new BodyError("Expected the lease to run out.");
}

async function untilFree(records: LeasedRecords, request: ClaimRequest): Promise<Claimed> {
  for (let tried = 0; tried < 500; tried++) {
    const claimed = await records.claim(request);
    if (claimed.kind !== "busy") return claimed;
    await wait(5);
  }
  throw new BodyError("Expected the lease to run out.");
}

const claim = (name: string, check: (scene: Scene) => Promise<void>): LeasedClaim => ({
  name,
  check: (fixture) => check(sceneOf(fixture)),
});

export const leasedClaims: readonly LeasedClaim[] = [
  claim(
    "claim: a new key is claimed, and is busy for others while the lease lasts",
    async ({ records, other, request, rival }) => {
      equal((await won(records, request)).attempt, 1);
      const second = await other.claim(rival());
      equal(second.kind, "busy");
      ok(second.kind === "busy" && second.heldForMs > 0 && second.heldForMs <= longMs);
    },
  ),
  claim("claim: repeated by its owner, as after a lost answer, is the same claim", async ({ records, request }) => {
    const { fence, attempt } = await won(records, request);
    deepEqual(await records.claim(request), { kind: "claimed", fence, attempt });
  }),
  claim(
    "claim: another fingerprint is a mismatch, in each state; none compares nothing",
    async ({ records, other, request, rival }) => {
      const held = await won(records, request);
      const mismatch = { kind: "mismatch", recorded: "1abc" };
      deepEqual(await other.claim(rival({ fingerprint: "1xyz" })), mismatch);
      await records.end(held, { status: 2, result: bytes("7") });
      deepEqual(await other.claim(rival({ fingerprint: "1xyz" })), mismatch);
      equal((await other.claim(rival({ fingerprint: null }))).kind, "succeeded");
    },
  ),
  claim(
    "claim: scopes and keys that differ in case, a space or where one ends do not meet",
    async ({ records, request, rival }) => {
      await won(records, request);
      for (const [scope, key] of [
        [request.scope, "key 1"],
        [request.scope, "Key 1 "],
        [`${request.scope} `, "Key 1"],
        [`${request.scope}K`, "ey 1"],
        [request.scope, "Kéy \u{1f600}".padEnd(200, "x")],
      ] as const)
        equal((await won(records, rival({ scope, key }))).attempt, 1);
    },
  ),
  claim(
    "succeeded: every later claim is given the result, all bytes of it",
    async ({ records, other, request, rival }) => {
      const result = Uint8Array.from({ length: 256 }, (_, at) => (at + 1) % 256);
      equal(await records.end(await won(records, request), { status: 2, result }), true);
      for (const store of [records, other]) {
        const found = await store.claim(rival());
        ok(found.kind === "succeeded" && found.result !== null);
        deepEqual([...found.result], [...result]);
      }
    },
  ),
  claim("succeeded: without a result is null", async ({ records, request, rival }) => {
    await records.end(await won(records, request), { status: 2, result: null });
    deepEqual(await records.claim(rival()), { kind: "succeeded", result: null });
  }),
  claim("failed: every later claim is given the error", async ({ records, other, request, rival }) => {
    equal(await records.end(await won(records, request), { status: 3, error: bytes("no") }), true);
    const found = await other.claim(rival());
    ok(found.kind === "failed");
    deepEqual([...found.error], [...bytes("no")]);
  }),
  claim("an ending that is repeated, as after a lost answer, is still true", async ({ records, request, rival }) => {
    const held = await won(records, request);
    for (let time = 0; time < 2; time++) equal(await records.end(held, { status: 2, result: bytes("7") }), true);
    const second = await won(records, rival({ key: "2" }));
    for (let time = 0; time < 2; time++) equal(await records.release(second), true);
    equal((await won(records, rival({ key: "2" }))).attempt, 1);
  }),
  claim(
    "take-over: when the lease is over the next claim wins, with a larger fence and the next attempt",
    async ({ records, other, request, rival }) => {
      const first = await won(records, { ...request, leaseMs: shortMs });
      const second = await wonInTime(other, rival());
      ok(second.fence > first.fence);
      equal(second.attempt, 2);
    },
  ),
  claim(
    "take-over: the overtaken owner can renew, end, release nothing any more",
    async ({ records, other, request, rival }) => {
      const first = await won(records, { ...request, leaseMs: shortMs });
      const second = await wonInTime(other, rival());
      equal(await records.renew(first, longMs), false);
      equal(await records.end(first, { status: 2, result: bytes("late") }), false);
      equal(await records.end(first, { status: 3, error: bytes("late") }), false);
      equal(await records.end(first, { status: 5, error: bytes("late"), restMs: 0 }), false);
      equal(await records.release(first), false);
      equal(await other.end(second, { status: 2, result: bytes("right") }), true);
      equal(await records.end(first, { status: 2, result: bytes("late") }), false);
      const found = await records.claim(rival());
      ok(found.kind === "succeeded" && found.result !== null);
      deepEqual([...found.result], [...bytes("right")]);
    },
  ),
  claim(
    "take-over: the right fence without the right owner is refused, and the other way round",
    async ({ records, request }) => {
      const held = await won(records, request);
      equal(await records.end({ ...held, owner: "somebody" }, { status: 2, result: null }), false);
      equal(await records.end({ ...held, fence: held.fence + 1 }, { status: 2, result: null }), false);
      equal(await records.end({ ...held, key: "another" }, { status: 2, result: null }), false);
      equal(await records.renew({ ...held, owner: "somebody" }, longMs), false);
      equal(await records.release({ ...held, fence: held.fence - 1 }), false);
      equal(await records.end(held, { status: 2, result: null }), true);
    },
  ),
  claim("renew: keeps others out for longer than the lease was", async ({ records, other, request, rival }) => {
    const held = await won(records, { ...request, leaseMs: shortMs * 4 });
    for (let time = 0; time < 10; time++) {
      await wait(shortMs);
      equal(await records.renew(held, shortMs * 4), true);
    }
    equal((await other.claim(rival())).kind, "busy");
    equal(await records.end(held, { status: 2, result: null }), true);
  }),
  claim(
    "renew: a lease that is over, but was not taken over, is held again",
    async ({ records, other, request, rival }) => {
      const held = await won(records, { ...request, leaseMs: shortMs });
      await wait(shortMs * 2);
      equal(await records.renew(held, longMs), true);
      equal((await other.claim(rival())).kind, "busy");
    },
  ),
  claim(
    "release: the next claim wins at once, with a larger fence, and the attempt did not count",
    async ({ records, other, request, rival }) => {
      const first = await won(records, request);
      equal(await records.release(first), true);
      const second = await won(other, rival({ fingerprint: "1xyz", maxAttempts: 1 }));
      equal(second.attempt, 1);
      ok(second.fence > first.fence);
      equal(await records.end(first, { status: 2, result: null }), false);
    },
  ),
  claim(
    "release: after an attempt of unknown outcome the input must stay the same",
    async ({ records, request, rival }) => {
      await records.end(await won(records, request), { status: 5, error: bytes("?"), restMs: 0 });
      const second = await won(records, rival());
      equal(second.attempt, 2);
      equal(await records.release(second), true);
      equal((await records.claim(rival({ fingerprint: "1xyz" }))).kind, "mismatch");
      equal((await won(records, rival())).attempt, 2);
    },
  ),
  claim(
    "unknown: rests for as long as was said, then the next attempt may begin",
    async ({ records, request, rival }) => {
      const first = await won(records, request);
      equal(await records.end(first, { status: 5, error: bytes("?"), restMs: 150 }), true);
      const early = await records.claim(rival());
      ok(early.kind === "busy" && early.heldForMs <= 150, JSON.stringify(early));
      equal((await wonInTime(records, rival())).attempt, 2);
    },
  ),
  claim(
    "unknown: when the attempts are used up it is turned over to a person once, and waits",
    async ({ records, other, request, rival }) => {
      for (let attempt = 1; attempt <= 3; attempt++) {
        const held = await wonInTime(records, rival({ leaseMs: attempt === 3 ? shortMs : longMs }));
        equal(held.attempt, attempt);
        // The last one dies.
        if (attempt < 3) await records.end(held, { status: 5, error: bytes(`failure ${attempt}`), restMs: 0 });
      }
      const first = await untilFree(records, request);
      ok(first.kind === "exhausted" && first.error !== null);
      deepEqual([...first.error], [...bytes("failure 2")]);
      equal((await other.claim(rival())).kind, "manual");
      equal((await other.claim(rival({ maxAttempts: 1_000 }))).kind, "manual");
    },
  ),
  claim(
    "manual: is settled once, as succeeded, as failed, or to be tried again",
    async ({ records, other, request, rival }) => {
      const hour = 3_600_000;
      const turnOver = async (key: string): Promise<ClaimRequest> => {
        const mine = rival({ key });
        await records.end(await won(records, mine), { status: 4, error: bytes("?") });
        return rival({ key });
      };
      const [one, two, three] = [await turnOver("1"), await turnOver("2"), await turnOver("3")];
      const settled = await Promise.all(
        [records, other, records].map((store) =>
          store.settle(one, { status: 2, result: bytes("7") }, "user:ann", hour),
        ),
      );
      deepEqual(settled.sort(), [false, false, true]);
      const found = await records.claim(one);
      ok(found.kind === "succeeded" && found.result !== null);
      deepEqual([...found.result], [...bytes("7")]);
      equal(await other.settle(two, { status: 3, error: bytes("no") }, "user:ann", hour), true);
      equal((await records.claim(two)).kind, "failed");
      equal(await other.settle(three, { status: 5 }, "user:ann", hour), true);
      equal((await won(records, three)).attempt, 1);
      equal(await other.settle(three, { status: 5 }, "user:ann", hour), false);
      equal(await other.settle(request, { status: 5 }, "user:ann", hour), false);
    },
  ),
  claim("a hundred keys with twenty claimers each have one winner each", async ({ records, other, rival }) => {
    const keys = Array.from({ length: 100 }, (_, at) => `race ${at}`);
    const kinds = await Promise.all(
      keys.flatMap((key) =>
        Array.from({ length: 20 }, async (_, at) => {
          const { kind } = await (at % 2 === 0 ? records : other).claim(rival({ key }));
          return `${key} ${kind}`;
        }),
      ),
    );
    for (const key of keys) {
      equal(kinds.filter((kind) => kind === `${key} claimed`).length, 1);
      equal(kinds.filter((kind) => kind === `${key} busy`).length, 19);
    }
  }),
  claim("of twenty who take over at once one wins, with the next fence", async ({ records, other, rival }) => {
    const keys = Array.from({ length: 20 }, (_, at) => `overtaken ${at}`);
    const firsts = await Promise.all(keys.map((key) => won(records, rival({ key, leaseMs: shortMs }))));
    await wait(shortMs * 2);
    await Promise.all(
      firsts.map(async ({ key, fence }) => {
        const claims = Array.from({ length: 20 }, (_, at) => (at % 2 === 0 ? records : other).claim(rival({ key })));
        const winners = (await Promise.all(claims)).filter(({ kind }) => kind === "claimed");
        equal(winners.length, 1);
        const [winner] = winners;
        ok(winner?.kind === "claimed" && winner.fence > fence && winner.attempt === 2);
      }),
    );
  }),
];
