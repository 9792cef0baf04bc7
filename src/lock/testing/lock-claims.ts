// What every kind of lock must do. Claims, not tests: the participants' suite and the one of Redis run them.
import { deepEqual, equal, ok, rejects } from "node:assert/strict";
import { setTimeout as wait } from "node:timers/promises";
import { NonRetryableError } from "../../core/errors.ts";
import type { HeldLock, LockOptions, LockOutcome } from "../../core/lock.ts";
import type { Awaitable } from "../../core/participant.ts";

type Lock = <R>(name: string, options: LockOptions, run: (lock: HeldLock) => Awaitable<R>) => Promise<LockOutcome<R>>;

export interface LockScene {
  readonly lock: Lock;
  /** Another process's. */
  readonly other: Lock;
  /** Not locked before. */
  readonly name: string;
}

export interface LockClaim {
  readonly name: string;
  readonly check: (scene: LockScene) => Promise<void>;
}

/** Resolves when the holder has the lock, and ends the holding when told. */
async function holding(lock: Lock, name: string, options: LockOptions = {}) {
  let end: (result: string) => void = () => undefined;
  const ended = new Promise<string>((settle) => {
    end = settle;
  });
  let begin: (lock: HeldLock) => void = () => undefined;
  const begun = new Promise<HeldLock>((settle) => {
    begin = settle;
  });
  const outcome = lock(name, options, (held) => {
    begin(held);
    return ended;
  });
  return { held: await Promise.race([begun, outcome.then(() => begun)]), end, outcome };
}

export const lockClaims: readonly LockClaim[] = [
  {
    name: "lock: is held by one at a time, and by nobody afterwards",
    async check({ lock, other, name }) {
      const first = await holding(lock, name);
      deepEqual(await other(name, {}, () => "ran"), { kind: "not-acquired" });
      deepEqual(await lock(name, {}, () => "ran"), { kind: "not-acquired" });
      first.end("done");
      deepEqual(await first.outcome, { kind: "done", result: "done" });
      deepEqual(await other(name, {}, () => "ran"), { kind: "done", result: "ran" });
    },
  },
  {
    name: "lock: who waits gets it when it is free, before the lease would have ended",
    async check({ lock, other, name }) {
      const first = await holding(lock, name, { lease: "1h" });
      const second = other(name, { wait: "20s" }, () => "second");
      await wait(30);
      first.end("first");
      deepEqual(await second, { kind: "done", result: "second" });
    },
  },
  {
    name: "lock: many at once from two processes never overlap, and each fence is greater than the one before",
    async check({ lock, other, name }) {
      let holders = 0;
      const fences: number[] = [];
      const one = (take: Lock) =>
        take(name, { wait: "20s" }, async ({ fence }) => {
          holders += 1;
          equal(holders, 1);
          fences.push(fence);
          await wait(1);
          holders -= 1;
        });
      await Promise.all(Array.from({ length: 12 }, (_, at) => one(at % 2 === 0 ? lock : other)));
      equal(fences.length, 12);
      for (const [at, fence] of fences.entries())
        ok(Number.isSafeInteger(fence) && (at === 0 || fence > (fences[at - 1] ?? 0)));
    },
  },
  {
    name: "lock: is renewed for longer than its lease, however short that is",
    async check({ lock, other, name }) {
      // Short, but longer than a busy machine may keep a process waiting.
      const first = await holding(lock, name, { lease: "800ms" });
      deepEqual(await other(name, { wait: "2s" }, () => "ran"), { kind: "not-acquired" });
      first.held.assertHeld();
      first.end("still mine");
      deepEqual(await first.outcome, { kind: "done", result: "still mine" });
    },
  },
  {
    name: "lock: a holder whose event loop was blocked knows of the loss at once, and another has a greater fence",
    async check({ lock, other, name }) {
      const { held, end, outcome } = await holding(lock, name, { lease: "300ms" });
      const refused = rejects(outcome, { code: "LOCK_LOST" });
      block(400);
      await rejects(async () => held.assertHeld(), { code: "LOCK_LOST" });
      ok(held.signal.aborted);
      const taken = await other(name, { wait: "5s" }, ({ fence }) => fence);
      ok(taken.kind === "done" && taken.result > held.fence);
      end("too late");
      await refused;
    },
  },
  {
    name: "lock: the second check sees what the holder before has done",
    async check({ lock, other, name }) {
      let isDone = false;
      let runs = 0;
      const work = (take: Lock) =>
        take(name, { wait: "20s", unless: () => isDone }, async () => {
          await wait(5);
          runs += 1;
          isDone = true;
        });
      const outcomes = await Promise.all([work(lock), work(other), work(lock), work(other)]);
      equal(runs, 1);
      deepEqual(outcomes.map(({ kind }) => kind).sort(), ["done", "unneeded", "unneeded", "unneeded"]);
      deepEqual(await other(name, { unless: () => true }, () => "ran"), { kind: "unneeded" });
    },
  },
  {
    name: "lock: is released when the function throws, and the error comes through",
    async check({ lock, other, name }) {
      const failing = lock(name, {}, async () => {
        throw new NonRetryableError("as asked");
      });
      await rejects(failing, NonRetryableError);
      deepEqual(await other(name, {}, () => "ran"), { kind: "done", result: "ran" });
    },
  },
  {
    name: "lock: waiting is given up when told, and what cannot be is refused before anything is asked",
    async check({ lock, other, name }) {
      const first = await holding(lock, name);
      const tired = new AbortController();
      const waiting = other(name, { wait: "1h", signal: tired.signal }, () => "ran");
      const givenUp = rejects(waiting, { name: "AbortError" });
      await wait(10);
      tired.abort();
      await givenUp;
      first.end("done");
      await first.outcome;
      const refused: readonly [string, object][] = [
        ["", {}],
        ["x".repeat(256), {}],
        ["nul\0", {}],
        [name, { wait: "-1s" }],
        [name, { lease: 5 }],
        [name, { lease: "2h" }],
        [name, { unless: true }],
        [name, { ttl: 5 }],
      ];
      for (const [wrong, options] of refused)
        await rejects(
          lock(wrong, options, () => "ran"),
          { code: "OPTION_INVALID" },
        );
      await rejects(lock(name, {}, "no function" as never), { code: "OPTION_INVALID" });
    },
  },
];

/** As a long computation does. */
function block(ms: number): void {
  const shared = new Int32Array(new SharedArrayBuffer(4));
  Atomics.wait(shared, 0, 0, ms);
}
