// What the compiler knows inside a job's function.
import { type Context, job, type RemoteStep, type StepInfo, type StoredError, signal, type TxStep } from "makegood";
import { same } from "./equal.ts";
import {
  bank,
  Cents,
  Id,
  ledger,
  Order,
  type OrderRow,
  type OrderTx,
  orders,
  type StoredOrderRow,
  stock,
} from "./world.ts";

// ── Transactions ───────────────────────────────────────────────────────────────────────────────────────────────────

job("place-order", { input: Order, key: (order) => order.id, version: 2 }, async (ctx, order) => {
  // The function gets the schema's output.
  same<typeof order.at, Date>(true);

  const row = await ctx.tx(orders, "create order", {
    run: async (tx) => {
      // The transaction is the user's own.
      same<typeof tx, OrderTx>(true);
      return tx.insertOrder({ id: order.id });
    },
    // What `run` returned reaches `compensate` as it is stored.
    compensate: (tx, created) => {
      same<typeof created, StoredOrderRow>(true);
      return tx.cancelOrder(created.id);
    },
  });
  same<typeof row, StoredOrderRow>(true);
  // @ts-expect-error a stored row has no methods
  row.save;

  // @ts-expect-error the other participant's transaction
  await ctx.tx(ledger, "wrong database", { run: (tx) => tx.insertOrder({ id: order.id }) });
  // @ts-expect-error the other participant's transaction, in compensation
  await ctx.tx(orders, "wrong undo", { run: async () => 1, compensate: (tx) => tx.run("…") });
  // @ts-expect-error a name and at most one id
  await ctx.tx(orders, ["take", "a", "b"], { run: async () => 1 });
});

// A synchronous participant refuses an asynchronous body: an `await` would let other code into its one connection.
job("post", { input: Id }, async (ctx) => {
  const count = await ctx.tx(ledger, "post", {
    run: (tx) => tx.run("…"),
    compensate: (tx, posted) => {
      same<typeof posted, number>(true);
      return tx.run(`… ${posted.toFixed()}`);
    },
  });
  same<typeof count, number>(true);
  // @ts-expect-error run must be synchronous on this participant
  await ctx.tx(ledger, "post late", { run: async (tx) => tx.run("…") });
  // @ts-expect-error a promise by any other way is one too
  await ctx.tx(ledger, "post later", { run: (tx) => Promise.resolve(tx.run("…")) });
  // @ts-expect-error nor may it return one now and then
  await ctx.tx(ledger, "post at times", { run: (tx) => (tx.run("…") > 0 ? 1 : Promise.resolve(1)) });
  // @ts-expect-error compensate must be synchronous too; it would be found out only when something has to be undone
  await ctx.tx(ledger, "undo late", { run: (tx) => tx.run("…"), compensate: async (tx) => tx.run("…") });

  const reserved = await ctx.tcc(ledger, "reserve", {
    try: (tx) => tx.run("…"),
    confirm: (tx, held) => tx.run(held.toFixed()),
    cancel: (tx, held) => tx.run(held.toFixed()),
    within: "1h",
  });
  same<typeof reserved, number>(true);
  // @ts-expect-error each function of a branch must be synchronous
  await ctx.tcc(ledger, "try late", { try: async (tx) => tx.run("…"), confirm: () => {}, cancel: () => {} });
  // @ts-expect-error each function of a branch must be synchronous
  await ctx.tcc(ledger, "confirm late", { try: (tx) => tx.run("…"), confirm: async () => {}, cancel: () => {} });
  // @ts-expect-error each function of a branch must be synchronous
  await ctx.tcc(ledger, "cancel late", { try: (tx) => tx.run("…"), confirm: () => {}, cancel: async () => {} });
});

// ── Calls ──────────────────────────────────────────────────────────────────────────────────────────────────────────

job("call", { input: Order }, async (ctx, order) => {
  const payment = await ctx.step("charge", {
    run: ({ key, signal: abort }) => bank.pay(order.id, { key, signal: abort }),
    compensate: (undo) => {
      same<typeof undo.actionKey, string>(true);
      // Not certain before the outcome was looked at.
      // @ts-expect-error the result may be unknown
      undo.result.paymentId;
      if (undo.outcome === "done") same<typeof undo.result, { paymentId: string }>(true);
      else same<typeof undo.result, undefined>(true);
      return bank.refundOf(undo.actionKey, { key: undo.key });
    },
    within: "30m",
  });
  same<typeof payment, { paymentId: string }>(true);

  for (const line of order.lines)
    await ctx.step(["take stock", line.code], {
      run: ({ key }) => stock.take(line, key),
      compensate: (undo) =>
        undo.outcome === "done"
          ? stock.giveBack(undo.result.receipt, undo.key)
          : stock.giveBackIfTaken(undo.actionKey, undo.key),
    });

  await ctx.step("mail", { run: () => {}, irreversible: "a message cannot be called back" });
  // @ts-expect-error either it can be undone, or it says why not
  await ctx.step("both", { run: () => 1, compensate: () => {}, irreversible: "no" });
  // @ts-expect-error a window belongs to a compensation
  await ctx.step("window", { run: () => 1, irreversible: "no", within: "1m" });
  // @ts-expect-error a unit is missing
  await ctx.step("duration", { run: () => 1, timeout: "30" });
  // @ts-expect-error one of four words
  await ctx.step("effect", { run: () => 1, effect: "harmless" });

  const info: (step: StepInfo) => Readonly<Record<string, string>> = (step) => step.headers();
  await ctx.step("headers", { run: info, irreversible: "none" });
});

// A step may be made elsewhere, by a function with a type of its own.
const charging = (id: string): RemoteStep<{ paymentId: string }> => ({
  run: ({ key }) => bank.pay(id, { key }),
  compensate: (undo) => bank.refundOf(undo.actionKey, { key: undo.key }),
});
const creating = (id: string): TxStep<OrderTx, OrderRow> => ({
  run: (tx) => tx.insertOrder({ id }),
  compensate: (tx, row) => tx.cancelOrder(row.id),
});
job("reuse", { input: Id }, async (ctx, { id }) => {
  const payment = await ctx.step("charge", charging(id));
  same<typeof payment, { paymentId: string }>(true);
  const row = await ctx.tx(orders, "create", creating(id));
  same<typeof row, StoredOrderRow>(true);
});

// The failure of `attempt` is a value; without looking at it there is no result.
job("attempt", {}, async (ctx) => {
  const answer = await ctx.attempt("reserve", { run: async () => new Date(0), compensate: () => {} });
  // @ts-expect-error it may have failed
  answer.value;
  if (answer.ok) same<typeof answer.value, Date>(true);
  else same<typeof answer.error, StoredError>(true);
});

// ── TCC ────────────────────────────────────────────────────────────────────────────────────────────────────────────

job("tcc-order", { input: Id, key: (order) => order.id }, async (ctx, { id }) => {
  const row = await ctx.tcc(orders, "freeze stock", {
    try: (tx) => tx.insertOrder({ id }),
    confirm: (_tx, reserved) => same<typeof reserved, StoredOrderRow>(true),
    cancel: (tx, reserved) => tx.cancelOrder(reserved.id),
  });
  same<typeof row, StoredOrderRow>(true);

  const hold = await ctx.tcc("freeze balance", {
    try: ({ key }) => bank.freeze(id, key),
    // Certain here …
    confirm: ({ key, result }) => bank.settle(result.hold, key),
    // … possibly unknown here.
    cancel: (undo) => {
      same<typeof undo.result, { hold: string } | undefined>(true);
      return bank.release(undo.actionKey, undo.key);
    },
  });
  same<typeof hold, { hold: string }>(true);
  // @ts-expect-error a branch has three functions
  await ctx.tcc("two", { try: () => 1, confirm: () => {} });
  return hold.hold;
});

// ── Waiting ────────────────────────────────────────────────────────────────────────────────────────────────────────

const Paid = signal("paid", Cents);
const Nudge = signal("nudge");

job("wait", {}, async (ctx) => {
  // The wait gets the schema's output; what may time out says so.
  const cents = await ctx.waitFor(Paid);
  same<typeof cents, number>(true);
  const named = await ctx.waitFor(Paid, { name: "second" });
  same<typeof named, number>(true);
  const reply = await ctx.waitFor(Paid, { timeout: "30m", name: "third" });
  // @ts-expect-error it may have timed out
  reply.value;
  if (reply.kind === "received") same<typeof reply.value, number>(true);
  const nothing = await ctx.waitFor(Nudge);
  same<typeof nothing, void>(true);
  await ctx.sleep("night", "8h");
  // @ts-expect-error a sleep has a name, as every step
  await ctx.sleep("8h");
});

// ── The context itself ─────────────────────────────────────────────────────────────────────────────────────────────

export function readContext(ctx: Context): void {
  same<typeof ctx.now, Date>(true);
  same<typeof ctx.key, string>(true);
  same<typeof ctx.round, number>(true);
  // @ts-expect-error read only
  ctx.round = 1;
}
