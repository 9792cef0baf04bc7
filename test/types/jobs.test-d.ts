// What the compiler knows of a job from outside: its input, its result, its end.
import {
  type AnyJob,
  type App,
  type Execution,
  type Job,
  job,
  makegood,
  type Outcome,
  type Store,
  type StoredError,
  signal,
} from "makegood";
import { same } from "./equal.ts";
import {
  bank,
  Cents,
  type FileTx,
  Id,
  ledger,
  Order,
  type OrderRow,
  type OrderTx,
  orders,
  type StoredOrderRow,
} from "./world.ts";

declare const app: App;
declare const orderTx: OrderTx;
declare const fileTx: FileTx;
declare const row: OrderRow;

const Paid = signal("paid", Cents);
const Nudge = signal("nudge");

// ── Input and result ───────────────────────────────────────────────────────────────────────────────────────────────

const placeOrder = job("place-order", { input: Order, key: (order) => order.at.toISOString() }, async (_ctx, order) => {
  same<typeof order.at, Date>(true);
  return row;
});
same<
  typeof placeOrder,
  Job<
    { id: string; at: string; lines: { code: string; units: number }[] },
    { id: string; at: Date; lines: { code: string; units: number }[] },
    StoredOrderRow
  >
>(true);

const tick = job("tick", {}, async () => {});
const settle = job("settle", { input: Id, key: (o) => o.id }, async (ctx, { id }) => {
  const hold = await ctx.step("freeze", { run: ({ key }) => bank.freeze(id, key), compensate: () => {} });
  return hold.hold;
});

// A result is typed through a child, and through the child's child.
const checkPaid = job("check-paid", { input: Id, key: (o) => o.id }, async (ctx, { id }) => {
  const child = await ctx.start(settle, { id });
  return { hold: await child.result() };
});
const nightly = job("nightly", {}, async (ctx) => {
  const child = await ctx.start(checkPaid, { id: "A-17" }, { delay: "30m", onUndo: "leave" });
  same<typeof child.isNew, boolean>(true);
  return [await child.result()];
});

// @ts-expect-error options are known by name
job("misspelled", { input: Id, keys: (o: { id: string }) => o.id }, async () => {});
// @ts-expect-error the key is text
job("numbered", { input: Order, key: (order) => order.lines.length }, async () => {});
// @ts-expect-error one of three strategies
job("strategy", { concurrency: "parallel" }, async () => {});
// @ts-expect-error without a schema there is no input, whatever the parameter is annotated with
job("no schema", {}, async (_ctx, order: { id: string }) => order.id);
// @ts-expect-error nor for the key
job("no schema", { key: (order: { id: string }) => order.id }, async () => {});
job(
  "per account",
  { input: Order, concurrency: { strategy: "serial", key: (order) => order.at.toISOString() } },
  async () => {},
);

// A list of jobs holds every kind.
const all: readonly AnyJob[] = [placeOrder, tick, settle, checkPaid, nightly];
app.register(...all);

// ── Starting ───────────────────────────────────────────────────────────────────────────────────────────────────────

export async function starts(): Promise<void> {
  const execution = await app.start(checkPaid, { id: "A-17" }, { in: [orders, orderTx], ifExists: "restart-failed" });
  same<typeof execution, Execution<{ hold: string }>>(true);
  same<Awaited<ReturnType<typeof execution.result>>, { hold: string }>(true);
  const night = await app.start(nightly, undefined);
  same<Awaited<ReturnType<typeof night.result>>, { hold: string }[]>(true);
  await app.start(checkPaid, { id: "A-17" }, { in: [ledger, fileTx] });

  // @ts-expect-error the input is the schema's input, not its output
  await app.start(placeOrder, { id: "A-17", at: new Date(), lines: [] });
  // @ts-expect-error another database's transaction
  await app.start(checkPaid, { id: "A-17" }, { in: [orders, fileTx] });
  // @ts-expect-error another database's transaction
  await app.start(checkPaid, { id: "A-17" }, { in: [ledger, orderTx] });
  // @ts-expect-error one of three answers
  await app.start(checkPaid, { id: "A-17" }, { ifExists: "ignore" });
  // A job without a schema takes no input.
  await app.start(tick, undefined);
  // @ts-expect-error it takes none
  await app.start(tick, { id: "A-17" });
}

// ── Outcomes ───────────────────────────────────────────────────────────────────────────────────────────────────────

export function read(outcome: Outcome<{ hold: string }>): string {
  // @ts-expect-error only a completed one has a result
  outcome.result;
  switch (outcome.state) {
    case "completed":
      same<typeof outcome.result, { hold: string }>(true);
      return outcome.result.hold;
    case "failed":
    case "compensated":
    case "canceled":
    case "timed-out":
      same<typeof outcome.error, StoredError>(true);
      return outcome.error.code;
    case "parked":
    case "killed":
      same<typeof outcome.incidentId, string | null>(true);
      return outcome.state;
    case "discarded":
      return outcome.state;
    // No case is left.
    default:
      return outcome satisfies never;
  }
}

// ── Signals ────────────────────────────────────────────────────────────────────────────────────────────────────────

export async function send(id: string): Promise<void> {
  // The sender gives the schema's input, which the wait gets as its output.
  const answer = await app.signal(id, Paid, "1999", { signalId: "payment-7" });
  same<typeof answer.isNew, boolean>(true);
  await app.signal(id, Nudge, undefined);
  // @ts-expect-error the schema's input is text
  await app.signal(id, Paid, 1999);
}

// ── The app ────────────────────────────────────────────────────────────────────────────────────────────────────────

declare const store: Store;
makegood({ store, participants: [orders, ledger], lease: "30s", limits: { maxSteps: 100 } });
// @ts-expect-error a store is needed
makegood({});
// @ts-expect-error options are known by name
makegood({ store, leaseMs: 1_000 });
