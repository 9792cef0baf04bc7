// What `idempotent` must do on every store of records. Each claim uses keys of its own.
import { deepEqual, equal, ok, rejects } from "node:assert/strict";
import { setTimeout as wait } from "node:timers/promises";
import { isCodedError, NonRetryableError, RefusedError } from "../../core/errors.ts";
import type { Participant } from "../../core/participant.ts";
import { type IdempotentOptions, type IdempotentRun, idempotent } from "../record/idempotent.ts";
import type { Markers } from "../record/markers.ts";
import { settleRecord } from "../record/settle.ts";
import { BodyError, gate } from "./scene.ts";

// biome-ignore lint/suspicious/noExplicitAny: a participant of any transaction type
type On = Participant<any, any> | Markers;

export interface IdempotentFixture {
  readonly on: On;
  /** Of the same store, over connections of its own, as another process would have. */
  readonly otherOn: On;
  readonly newId: () => string;
}

interface Payment {
  readonly id: string;
  readonly cents: number;
}

interface Scene {
  readonly fixture: IdempotentFixture;
  readonly scope: string;
  readonly payment: Payment;
  readonly make: <R>(
    fn: (input: Payment, run: IdempotentRun) => R,
    options?: Partial<IdempotentOptions<Payment>>,
  ) => ReturnType<typeof idempotent<Payment, R>>;
}

export interface IdempotentClaim {
  readonly name: string;
  readonly check: (fixture: IdempotentFixture) => Promise<void>;
}

const claim = (name: string, check: (scene: Scene) => Promise<void>): IdempotentClaim => ({
  name,
  check: (fixture) => {
    const scope = `pay ${fixture.newId()}`;
    const payment = { id: fixture.newId(), cents: 100 };
    return check({
      fixture,
      scope,
      payment,
      make: (fn, options = {}) => idempotent({ on: fixture.on, scope, key: ({ id }) => id, ...options }, fn),
    });
  },
});

const codeOfRejection = async (promise: Promise<unknown>): Promise<string> => {
  const error: unknown = await promise.then(
    () => new Error("expected a rejection, found an answer"),
    (reason: unknown) => reason,
  );
  ok(isCodedError(error), `expected one of makegood's errors, found ${error}`);
  return error.code;
};

const shortest = { lease: "1s" } as const;

export const idempotentClaims: readonly IdempotentClaim[] = [
  claim(
    "idempotent: runs once, and every later call is given the decoded answer",
    async ({ fixture, payment, make }) => {
      let runs = 0;
      const answer = { receipt: 7n, at: new Date(5), log: new Map([["a", undefined]]) };
      const fn = (): typeof answer => {
        runs++;
        return answer;
      };
      const pay = make(fn);
      const again = make(fn, { on: fixture.otherOn });
      const first = await pay(payment);
      deepEqual(first, answer);
      ok(first !== answer);
      deepEqual(await again(payment), answer);
      deepEqual(await again.outcome(payment), { kind: "replayed", value: answer });
      equal(runs, 1);
    },
  ),
  claim("idempotent: an answer of undefined is replayed as such", async ({ payment, make }) => {
    let runs = 0;
    const pay = make(() => void runs++);
    deepEqual(await pay.outcome(payment), { kind: "executed", value: undefined, attempt: 1 });
    deepEqual(await pay.outcome(payment), { kind: "replayed", value: undefined });
    equal(runs, 1);
  }),
  claim(
    "idempotent: the key downstream is the same in every attempt, and another for another key",
    async ({ payment, make }) => {
      const seen: [key: string, attempt: number, fence: number][] = [];
      const pay = make(
        (_, { key, attempt, fence }) => {
          seen.push([key, attempt, fence]);
          if (attempt === 1) throw new BodyError("timed out");
          return "paid";
        },
        { retryAfter: 0 },
      );
      await rejects(pay(payment), /timed out/);
      equal(await pay(payment), "paid");
      await rejects(pay({ ...payment, id: `${payment.id}2` }), /timed out/);
      const [first, second, third] = seen;
      ok(first && second && third);
      equal(first[0], second[0]);
      ok(third[0] !== first[0]);
      ok(/^mgr1[A-Za-z0-9_-]{43}$/.test(first[0]));
      deepEqual([first[1], second[1]], [1, 2]);
      ok(second[2] > first[2]);
    },
  ),
  claim(
    "idempotent: another input under the same key is a mismatch, unless the fingerprint says otherwise",
    async ({ payment, make }) => {
      const pay = make(() => 1);
      await pay(payment);
      equal(await codeOfRejection(pay({ ...payment, cents: 200 })), "KEY_INPUT_MISMATCH");
      const outcome = await pay.outcome({ ...payment, cents: 200 });
      ok(outcome.kind === "mismatch" && outcome.given !== outcome.recorded);
      const lenient = make(() => 2, { fingerprint: () => undefined });
      equal(await lenient({ ...payment, cents: 200 }), 1);
    },
  ),
  claim("idempotent: while one runs others are refused, and told for how long", async ({ fixture, payment, make }) => {
    const [inside, go] = [gate(), gate()];
    const pay = make(async () => {
      inside.open();
      await go.opened;
      return "one";
    });
    const first = pay(payment);
    await inside.opened;
    const other = make(() => "two", { on: fixture.otherOn });
    equal(await codeOfRejection(other(payment)), "KEY_IN_PROGRESS");
    const outcome = await other.outcome(payment);
    ok(outcome.kind === "busy" && outcome.retryAfterMs > 0 && outcome.retryAfterMs <= 30_000);
    go.open();
    equal(await first, "one");
  }),
  claim("idempotent: those who wait are given the answer of the one who runs", async ({ fixture, payment, make }) => {
    let runs = 0;
    const slow = async (): Promise<number> => {
      await wait(150);
      return ++runs;
    };
    const pay = make(slow, { ifBusy: { wait: "10s" } });
    const other = make(slow, { on: fixture.otherOn, ifBusy: { wait: "10s" } });
    const answers = await Promise.all([pay, other, pay, other, pay].map((call) => call(payment)));
    deepEqual(answers, [1, 1, 1, 1, 1]);
    equal(runs, 1);
  }),
  claim("idempotent: a wait ends in time", async ({ fixture, payment, make }) => {
    const go = gate();
    const first = make(() => go.opened)(payment);
    await wait(20);
    const impatient = make(() => 1, { on: fixture.otherOn, ifBusy: { wait: "100ms" } });
    equal((await impatient.outcome(payment)).kind, "busy");
    go.open();
    await first;
  }),
  claim(
    "idempotent: a RefusedError is thrown on, and the next call runs at once, with any input",
    async ({ payment, make }) => {
      let runs = 0;
      const refusal = new RefusedError("no money");
      const pay = make((input) => {
        if (++runs < 5) throw refusal;
        return input.cents;
      });
      for (let time = 0; time < 4; time++)
        await rejects(pay({ ...payment, cents: time }), (error) => error === refusal);
      deepEqual(await pay.outcome({ ...payment, cents: 9 }), { kind: "executed", value: 9, attempt: 1 });
    },
  ),
  claim(
    "idempotent: a NonRetryableError is final, and every later call is given it as stored",
    async ({ fixture, payment, make }) => {
      let runs = 0;
      const fn = (): never => {
        runs++;
        throw new NonRetryableError("card stolen", { code: "CARD_STOLEN", details: { card: "…7" } });
      };
      const pay = make(fn);
      const other = make(fn, { on: fixture.otherOn });
      const stored = { code: "CARD_STOLEN", message: "card stolen", details: { card: "…7" } };
      await rejects(pay(payment), stored);
      await rejects(other(payment), stored);
      const outcome = await other.outcome(payment);
      ok(outcome.kind === "failed" && outcome.isReplay && outcome.error.code === "CARD_STOLEN");
      equal(runs, 1);
    },
  ),
  claim(
    "idempotent: an answer that cannot be stored has happened all the same, and is not repeated",
    async ({ payment, make }) => {
      let runs = 0;
      const pay = make(() => {
        runs++;
        return "x".repeat(300 * 1_024);
      });
      equal(await codeOfRejection(pay(payment)), "VALUE_TOO_LARGE");
      equal(await codeOfRejection(pay(payment)), "VALUE_TOO_LARGE");
      equal(runs, 1);
    },
  ),
  claim(
    "idempotent: failures of unknown outcome use up the attempts; then a person settles it",
    async ({ fixture, scope, payment, make }) => {
      const pay = make(
        (_, { attempt }) => {
          throw new BodyError(`failure ${attempt}`);
        },
        { maxAttempts: 2, retryAfter: 0 },
      );
      await rejects(pay(payment), /failure 1/);
      await rejects(pay(payment), /failure 2/);
      equal(await codeOfRejection(pay(payment)), "RECORD_MANUAL");
      const outcome = await pay.outcome(payment);
      ok(outcome.kind === "manual" && outcome.error?.message === "failure 2");
      const at = { scope, key: payment.id };
      const by = { kind: "user", id: "ann" } as const;
      await settleRecord(fixture.otherOn, at, { kind: "succeeded", result: { receipt: 7n } }, { by });
      deepEqual(await pay(payment), { receipt: 7n });
      equal(await codeOfRejection(settleRecord(fixture.on, at, { kind: "retry" }, { by })), "RECORD_STATE");
    },
  ),
  claim(
    "idempotent: a person may also say that it failed, or that it is to be tried again",
    async ({ fixture, scope, payment, make }) => {
      let isDown = true;
      const pay = make(
        () => {
          if (isDown) throw new BodyError("down");
          return "paid";
        },
        { maxAttempts: 1 },
      );
      const [one, two] = [payment, { ...payment, id: `${payment.id}2` }];
      for (const each of [one, two]) await rejects(pay(each), /down/);
      const by = { kind: "user", id: "ann" } as const;
      await settleRecord(
        fixture.on,
        { scope, key: one.id },
        { kind: "failed", message: "never sent", code: "NOT_SENT" },
        { by },
      );
      await rejects(pay(one), { code: "NOT_SENT", message: "never sent" });
      await settleRecord(fixture.on, { scope, key: two.id }, { kind: "retry" }, { by });
      isDown = false;
      deepEqual(await pay.outcome(two), { kind: "executed", value: "paid", attempt: 1 });
    },
  ),
  claim("idempotent: renews the lease for as long as the function runs", async ({ fixture, payment, make }) => {
    const inside = gate();
    let isAborted = true;
    const pay = make(async (_, { signal, assertHeld }) => {
      inside.open();
      await wait(2_200);
      assertHeld();
      isAborted = signal.aborted;
      return "one";
    }, shortest);
    const first = pay(payment);
    await inside.opened;
    const other = make(() => "two", { on: fixture.otherOn, ...shortest });
    for (let time = 0; time < 10; time++) {
      equal((await other.outcome(payment)).kind, "busy");
      await wait(200);
    }
    equal(await first, "one");
    equal(isAborted, false);
    equal(await other(payment), "one");
  }),
  claim(
    "idempotent: a process that froze sees at once that its lease is over, and can write nothing once it was overtaken",
    async ({ fixture, payment, make }) => {
      const [inside, overtaken] = [gate(), gate()];
      const seen: unknown[] = [];
      const pay = make(async (_, { signal, assertHeld }) => {
        seen.push(signal.aborted);
        block(1_100);
        // No timer has run since.
        seen.push(signal.aborted);
        inside.open();
        await overtaken.opened;
        await rejects(async () => assertHeld(), { code: "RECORD_LEASE_LOST" });
        return "late";
      }, shortest);
      const first = codeOfRejection(pay(payment));
      await inside.opened;
      const other = make((_, { attempt }) => attempt, { on: fixture.otherOn, ifBusy: { wait: "5s" } });
      equal(await other(payment), 2);
      overtaken.open();
      equal(await first, "RECORD_LEASE_LOST");
      deepEqual(seen, [false, true]);
      equal(await make(() => "never")(payment), 2);
    },
  ),
];

/** As a frozen process, or a long computation. */
function block(ms: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
}
