// A lock with a lease, a watchdog and a fencing token. The lock is an optimization: it keeps two from doing the same work at
// once. Correctness comes from the fence, from unique keys and compare-and-set; so the token is handed out with the lock.
//
//   Authority     the store: a row, or a key of Redis. Its clock judges the lease, except in one question: "may I still
//                 rely on it?", which is answered here by a monotonic clock, from the moment the last successful renewal
//                 was *sent*, less a margin. So the answer is never later than the store's.
//   Owner         a random name for each acquisition; a repeated acquire of the same owner is answered again.
//   Renewal       every third of the lease, whatever the lease; never two at once; stopped before the release is sent.
//   Loss          the store refuses a renewal, or the lease ran out unrenewed. `signal` aborts. A timer cannot fire while
//                 the event loop is blocked, so `signal` and `assertHeld()` look at the clock themselves when asked.
//   Crash         the lease runs out; the next owner gets a greater fence. A zombie's write is refused by the fence where
//                 the resource checks it.
import { toMs } from "../core/duration.ts";
import { CatalogError, describeValue, OptionError } from "../core/errors.ts";
import type { HeldLock, LockOptions, LockOutcome } from "../core/lock.ts";
import { checkFunction, checkOptions } from "../core/options.ts";
import type { Awaitable } from "../core/participant.ts";
import type { Clock, Log, Random } from "../core/ports.ts";

/** Where locks live. Each call is one atomic operation, and is answered the same when it is repeated. */
export interface LockStore {
  /** Takes it if it is free, expired, or this owner's already. Else says for how long it is held, at most. */
  acquire(
    name: string,
    owner: string,
    leaseMs: number,
  ): Promise<{ readonly kind: "acquired"; readonly fence: number } | { readonly kind: "held"; readonly forMs: number }>;
  /** False if it is another's, or has expired: an expired lock is never renewed, even if nobody took it. */
  renew(name: string, owner: string, fence: number, leaseMs: number): Promise<boolean>;
  /** Frees it if it is this owner's. The next fence is greater all the same. */
  release(name: string, owner: string, fence: number): Promise<void>;
}

export interface LockTools {
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
}

const optionKeys: readonly (keyof LockOptions)[] = ["wait", "lease", "unless", "signal"];
const maxNameBytes = 255;
const ownerBytes = 12;
const defaultLeaseMs = 30_000;
const minLeaseMs = 300;
const maxLeaseMs = 3_600_000;
const maxWaitMs = 86_400_000;
const firstPauseMs = 5;
const maxPauseMs = 250;

/**
 * Runs the function while holding the lock `name`. Resolves after the release. Rejects with what the function throws; with
 * LOCK_LOST if the lease was lost before the function ended, whatever it returned; with OPTION_INVALID; and with the
 * store's error if it cannot be asked.
 */
export async function withLock<R>(
  store: LockStore,
  tools: LockTools,
  name: string,
  options: LockOptions,
  run: (lock: HeldLock) => Awaitable<R>,
): Promise<LockOutcome<R>> {
  const { waitMs, leaseMs, unless, signal } = resolve(name, options, run);
  if (await unless?.()) return { kind: "unneeded" };
  const owner = Buffer.from(tools.random.bytes(ownerBytes)).toString("hex");
  const lease = await acquire({ store, tools, name, owner, leaseMs, waitMs, signal });
  if (lease === null) return { kind: "not-acquired" };
  try {
    if (await unless?.()) return { kind: "unneeded" };
    const result = await run(lease.held);
    lease.held.assertHeld();
    return { kind: "done", result };
  } finally {
    await lease.release();
  }
}

function resolve<R>(name: string, options: LockOptions, run: (lock: HeldLock) => Awaitable<R>) {
  checkName(name);
  checkOptions(options, optionKeys, "lock");
  checkFunction(run, "run", "lock");
  if (options.unless !== undefined) checkFunction(options.unless, "unless", "lock");
  return {
    ...options,
    waitMs: toMs(options.wait ?? 0, "lock: wait", { max: maxWaitMs }),
    leaseMs: toMs(options.lease ?? defaultLeaseMs, "lock: lease", { min: minLeaseMs, max: maxLeaseMs }),
  };
}

function checkName(name: unknown): void {
  const isFit = typeof name === "string" && name !== "" && name.isWellFormed() && !name.includes("\0");
  if (isFit && Buffer.byteLength(name) <= maxNameBytes) return;
  throw new OptionError(
    "name",
    `lock: expected a name of 1 to ${maxNameBytes} bytes in UTF-8 without U+0000, found ${describeValue(name)}`,
  );
}

// ── Acquiring ──────────────────────────────────────────────────────────────────────────────────────────────────────

interface Wanted {
  readonly store: LockStore;
  readonly tools: LockTools;
  readonly name: string;
  readonly owner: string;
  readonly leaseMs: number;
  readonly waitMs: number;
  readonly signal: AbortSignal | undefined;
}

/** Asks again and again until the time to wait is over; with a jitter, so that many who wait do not ask together. */
async function acquire(wanted: Wanted): Promise<Lease | null> {
  const { store, tools, name, owner, leaseMs, waitMs, signal } = wanted;
  const { clock, random } = tools;
  const until = clock.monotonicMs() + waitMs;
  for (let pauseMs = firstPauseMs; ; pauseMs = Math.min(maxPauseMs, pauseMs * 2)) {
    signal?.throwIfAborted();
    const sentAt = clock.monotonicMs();
    const answer = await store.acquire(name, owner, leaseMs);
    if (answer.kind === "acquired") {
      const lease = new Lease(wanted, answer.fence, sentAt);
      // The answer may have come too late to be of use; then it is as if another held it.
      if (lease.isHeld() && signal?.aborted !== true) return lease;
      await lease.release();
    }
    const leftMs = until - clock.monotonicMs();
    if (leftMs <= 0) return null;
    const heldForMs = answer.kind === "held" ? Math.max(1, answer.forMs) : pauseMs;
    await pause(clock, Math.min(leftMs, heldForMs, pauseMs * (0.5 + random.next())), signal);
  }
}

function pause(clock: Clock, ms: number, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((settle) => {
    const cancel = clock.after(ms, end);
    signal?.addEventListener("abort", end, { once: true });
    function end(): void {
      cancel();
      signal?.removeEventListener("abort", end);
      settle();
    }
  });
}

// ── Holding ────────────────────────────────────────────────────────────────────────────────────────────────────────

/** The holder's clock may run slower than the store's by so much of the lease. */
const marginShare = 0.1;
const renewShare = 1 / 3;
/** After a renewal that got no answer. */
const retryShare = 1 / 12;

class Lease {
  readonly held: HeldLock;
  readonly #wanted: Wanted;
  readonly #fence: number;
  readonly #lost = new AbortController();
  #reliableUntil: number;
  #stopTimer: () => void = () => undefined;
  #stopAlarm: () => void = () => undefined;
  #isReleased = false;
  #renewal: Promise<void> | null = null;

  constructor(wanted: Wanted, fence: number, sentAt: number) {
    this.#wanted = wanted;
    this.#fence = fence;
    this.#reliableUntil = this.#reliableAfter(sentAt);
    this.held = this.#face();
    this.#watch();
    this.#renewIn(wanted.leaseMs * renewShare);
  }

  isHeld(): boolean {
    if (this.#lost.signal.aborted) return false;
    if (this.#wanted.tools.clock.monotonicMs() < this.#reliableUntil) return true;
    this.#lose("its lease ran out before it could be renewed");
    return false;
  }

  /** Ends the renewing first, so that no renewal can follow the release. A failed release costs the next holder the rest of the lease. */
  async release(): Promise<void> {
    this.#isReleased = true;
    this.#stopTimer();
    this.#stopAlarm();
    await this.#renewal;
    const { store, name, owner, tools } = this.#wanted;
    try {
      await store.release(name, owner, this.#fence);
    } catch (error) {
      tools.log.warn({ err: error, lock: name }, "a lock could not be released; it is free when its lease ends");
    }
  }

  #face(): HeldLock {
    const lease = this;
    return {
      name: this.#wanted.name,
      fence: this.#fence,
      get signal() {
        lease.isHeld();
        return lease.#lost.signal;
      },
      assertHeld() {
        if (!lease.isHeld()) throw lease.#lost.signal.reason;
      },
    };
  }

  #reliableAfter(sentAt: number): number {
    return sentAt + this.#wanted.leaseMs * (1 - marginShare);
  }

  /** Tells of the loss as soon as the event loop can. */
  #watch(): void {
    const { clock } = this.#wanted.tools;
    this.#stopAlarm();
    this.#stopAlarm = clock.after(this.#reliableUntil - clock.monotonicMs() + 1, () => this.isHeld());
  }

  #renewIn(ms: number): void {
    if (this.#isReleased || this.#lost.signal.aborted) return;
    this.#stopTimer = this.#wanted.tools.clock.after(ms, () => {
      this.#renewal = this.#renew();
    });
  }

  async #renew(): Promise<void> {
    const { store, name, owner, leaseMs, tools } = this.#wanted;
    const sentAt = tools.clock.monotonicMs();
    try {
      const isRenewed = await store.renew(name, owner, this.#fence, leaseMs);
      if (!isRenewed) return this.#lose("it expired, or passed to another owner");
      this.#reliableUntil = Math.max(this.#reliableUntil, this.#reliableAfter(sentAt));
      if (this.isHeld()) this.#watch();
      this.#renewIn(leaseMs * renewShare);
    } catch (error) {
      tools.log.warn({ err: error, lock: name }, "a lock could not be renewed; trying again");
      if (this.isHeld()) this.#renewIn(leaseMs * retryShare);
    }
  }

  #lose(why: string): void {
    if (this.#lost.signal.aborted || this.#isReleased) return;
    const { name } = this.#wanted;
    const message = `Expected lock ${describeValue(name)} to be held with fence ${this.#fence}, found it lost: ${why}. Another may hold it; write nothing more without asking for the fence`;
    this.#stopTimer();
    this.#stopAlarm();
    this.#lost.abort(new CatalogError("LOCK_LOST", message, { lock: name, fence: this.#fence }));
  }
}
