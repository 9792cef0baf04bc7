// Keeps the lease of one claimed record while its function runs, and says so honestly.
//
// The store's clock judges the lease. This process knows only that the store counted from some moment after it was asked; so
// by its own monotonic clock the lease is over at the latest `leaseMs` after the last successful renewal was *sent*, less a
// margin for clocks that run at different speeds. No timer is needed to know that: while the event loop is blocked none
// runs, and the code right behind the block must see that the lease is over. So the signal is asked, and compares.
import { CatalogError } from "../../core/errors.ts";
import type { LeasedRecords } from "./leased.ts";
import type { Held } from "./record.ts";

export interface Lease {
  /** Aborted with RECORD_LEASE_LOST, at the latest when it is asked. */
  readonly signal: AbortSignal;
  /** Throws RECORD_LEASE_LOST. */
  assertHeld(): void;
  /** No renewal is sent after it. */
  stop(): void;
}

export interface LeaseTerms {
  readonly records: LeasedRecords;
  readonly held: Held;
  readonly leaseMs: number;
  /** When the claim was sent, by the monotonic clock. */
  readonly claimedAt: number;
}

const renewalsPerLease = 3;
const shortestRetryMs = 50;
/** For a clock here that runs slower than the store's. */
const trustedShare = 0.98;

export function keepLease({ records, held, leaseMs, claimedAt }: LeaseTerms): Lease {
  const { clock, log } = records.tools;
  const controller = new AbortController();
  let renewedAt = claimedAt;
  let isStopped = false;
  let cancelRenewal = (): void => undefined;
  let cancelWatch = (): void => undefined;

  const leftMs = (): number => renewedAt + leaseMs * trustedShare - clock.monotonicMs();
  const lose = (): void => {
    stop();
    controller.abort(leaseLost(held));
  };
  const check = (): void => {
    if (!isStopped && leftMs() <= 0) lose();
  };
  const watch = (): void => {
    cancelWatch = clock.after(Math.max(1, leftMs()), () => {
      check();
      if (!isStopped) watch();
    });
  };
  const renewAfter = (delayMs: number): void => {
    cancelRenewal = clock.after(delayMs, () => void renew());
  };
  const renew = async (): Promise<void> => {
    const sentAt = clock.monotonicMs();
    try {
      const isHeld = await records.renew(held, leaseMs);
      if (isStopped) return;
      if (!isHeld) return lose();
      renewedAt = sentAt;
      renewAfter(leaseMs / renewalsPerLease);
    } catch (error) {
      if (isStopped) return;
      log.warn({ err: error, scope: held.scope }, "the lease of an execution record could not be renewed; tried again");
      renewAfter(Math.max(shortestRetryMs, leaseMs / (renewalsPerLease * 4)));
    }
  };
  const stop = (): void => {
    isStopped = true;
    cancelRenewal();
    cancelWatch();
  };

  renewAfter(leaseMs / renewalsPerLease);
  watch();
  return {
    signal: askingFirst(controller.signal, check),
    assertHeld() {
      check();
      controller.signal.throwIfAborted();
    },
    stop,
  };
}

export function leaseLost(
  { scope, fence }: Held,
  options?: { readonly cause: unknown },
): CatalogError<"RECORD_LEASE_LOST"> {
  return new CatalogError(
    "RECORD_LEASE_LOST",
    `${scope}: the lease of the record (fence ${fence}) ran out, and another call may have taken over; what this one still does is not recorded`,
    { scope, fence },
    options,
  );
}

/** The same signal, whose `aborted` and `throwIfAborted` look at the clock first; so do all who ask it, such as fetch. */
function askingFirst(signal: AbortSignal, check: () => void): AbortSignal {
  const { prototype } = AbortSignal;
  const aborted = Object.getOwnPropertyDescriptor(prototype, "aborted")?.get;
  Object.defineProperties(signal, {
    aborted: {
      get() {
        check();
        return aborted?.call(signal) === true;
      },
    },
    throwIfAborted: {
      value() {
        check();
        prototype.throwIfAborted.call(signal);
      },
    },
  });
  return signal;
}
