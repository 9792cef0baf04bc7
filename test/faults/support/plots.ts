/** What the jobs of these tests do, and what must be true afterwards, whatever happened in between. */

import { job } from "../../../src/core/define.ts";
import { NonRetryableError } from "../../../src/core/errors.ts";
import type { AnyJob, Context } from "../../../src/core/job.ts";
import type { Schema } from "../../../src/core/schema.ts";
import { type Book, newReceipt } from "./book.ts";
import type { World } from "./world.ts";

export const plotNames = ["buys", "hurries", "refused", "fails", "confirms", "cancels"] as const;
export type PlotName = (typeof plotNames)[number];

export interface Expected {
  readonly state: string;
  /** Every effect, by place, in order. */
  readonly effects: readonly string[];
  /** Rows that the journal must hold, in the order of their seq: step and role. */
  readonly journal: readonly string[];
  /** Rows that it may hold besides: a refusal proves nothing after a crash, and then the step is undone for safety. */
  readonly mayHold?: readonly string[];
}

const taken = ["own stock", "far ledger", "remote charge"];
const givenBack = ["remote undo charge", "far undo ledger", "own undo stock"];
const takenRows = ["stock action", "ledger action", "charge action"];
const givenBackRows = ["charge compensation", "ledger compensation", "stock compensation"];

const bought: Expected = {
  state: "completed",
  effects: [...taken, "remote award"],
  journal: [...takenRows, ":pivot action", "award action"],
};

export const expected: Readonly<Record<PlotName, Expected>> = {
  buys: bought,
  hurries: bought,
  refused: {
    state: "compensated",
    effects: [...taken, ...givenBack],
    journal: [...takenRows, ":turn action", ...givenBackRows],
    mayHold: ["ship action", "ship compensation"],
  },
  fails: {
    state: "compensated",
    effects: [...taken, ...givenBack],
    journal: [...takenRows, ":turn action", "ship compensation", ...givenBackRows],
  },
  confirms: {
    state: "completed",
    effects: ["own seat", "far room", "remote car", "own confirm seat", "far confirm room", "remote confirm car"],
    journal: ["seat try", "room try", "car try", "seat confirm", "room confirm", "car confirm"],
  },
  cancels: {
    state: "compensated",
    effects: ["own seat", "far room", "remote car", "remote undo car", "far cancel room", "own cancel seat"],
    journal: ["seat try", "room try", "car try", ":turn action", "car cancel", "room cancel", "seat cancel"],
    mayHold: ["visa try", "visa cancel"],
  },
};

/** Any text: the number of the order, which is its business key. */
const Id: Schema<string, string> = {
  "~standard": {
    version: 1,
    vendor: "test",
    validate: (value: unknown) =>
      typeof value === "string" ? { value } : { issues: [{ message: "expected a text" }] },
  },
};
export const buying = {
  input: Id,
  key: (id: string) => id,
  // Enough of them that a database which is busy or away for a moment is not a reason to turn back.
  retry: { maxAttempts: 50, backoff: { initial: 2, max: 200 } },
};

export function makePlots(world: World): Readonly<Record<PlotName, AnyJob>> {
  const { own, far } = world;
  const remoteFor = (ctx: { readonly key: string }) => remoteOf(world, ctx.key);
  const take = [
    { on: own, name: "stock" },
    { on: far, name: "ledger" },
  ] as const;
  const buy = async (ctx: Context): Promise<readonly unknown[]> => {
    const receipts: unknown[] = [];
    for (const { on, name } of take) receipts.push(await ctx.tx(on.on, name, inBook(on, name, ctx.key)));
    receipts.push(await ctx.step("charge", remoteFor(ctx).step("charge")));
    await ctx.pivot();
    receipts.push(await ctx.step("award", remoteFor(ctx).forGood("award")));
    return receipts;
  };
  return {
    buys: job("buys", buying, buy),
    hurries: job("hurries", { ...buying, results: "early" }, buy),
    refused: job("refused", buying, async (ctx) => {
      for (const { on, name } of take) await ctx.tx(on.on, name, inBook(on, name, ctx.key));
      await ctx.step("charge", remoteFor(ctx).step("charge"));
      await ctx.step("ship", remoteFor(ctx).refusing("ship"));
    }),
    fails: job("fails", buying, async (ctx) => {
      for (const { on, name } of take) await ctx.tx(on.on, name, inBook(on, name, ctx.key));
      await ctx.step("charge", remoteFor(ctx).step("charge"));
      await ctx.step("ship", remoteFor(ctx).failing("ship"));
    }),
    confirms: job("confirms", buying, async (ctx) => {
      const seat = await ctx.tcc(own.on, "seat", branchIn(own, "seat", ctx.key));
      const room = await ctx.tcc(far.on, "room", branchIn(far, "room", ctx.key));
      return [seat, room, await ctx.tcc("car", remoteFor(ctx).branch("car"))];
    }),
    cancels: job("cancels", buying, async (ctx) => {
      await ctx.tcc(own.on, "seat", branchIn(own, "seat", ctx.key));
      await ctx.tcc(far.on, "room", branchIn(far, "room", ctx.key));
      await ctx.tcc("car", remoteFor(ctx).branch("car"));
      await ctx.tcc("visa", { ...remoteFor(ctx).branch("visa"), try: ({ key }) => world.provider.refuse(key, "visa") });
    }),
  };
}

const inBook = (book: Book, what: string, key: string) => ({
  run: (tx: unknown) => book.add(tx, what, newReceipt(key, what)),
  compensate: (tx: unknown, receipt: string) => book.add(tx, `undo ${what}`, receipt),
});

const branchIn = (book: Book, what: string, key: string) => ({
  try: (tx: unknown) => book.add(tx, what, newReceipt(key, what)),
  confirm: (tx: unknown, receipt: string) => book.add(tx, `confirm ${what}`, receipt),
  cancel: (tx: unknown, receipt: string) => book.add(tx, `cancel ${what}`, receipt),
});

interface Keys {
  readonly key: string;
  readonly actionKey: string;
}

/** Calls to the provider, with a point on either side of each. */
function remoteOf({ provider, at }: World, buyer: string) {
  const calling = <R>(what: string, call: () => R): R => {
    at(`effect: remote ${what}: before the call`);
    const answer = call();
    at(`effect: remote ${what}: after the call`);
    return answer;
  };
  const run = (what: string) => (step: { readonly key: string }) =>
    calling(what, () => provider.request(step.key, what, newReceipt(buyer, what)));
  const undo = (what: string) => (keys: Keys) =>
    calling(`undo ${what}`, () => provider.undo(keys.actionKey, keys.key, what));
  return {
    step: (what: string) => ({ run: run(what), compensate: undo(what) }),
    forGood: (what: string) => ({ run: run(what), irreversible: "a gift is not taken back" }),
    refusing: (what: string) => ({
      run: (step: { readonly key: string }) => calling(what, () => provider.refuse(step.key, what)),
      compensate: undo(what),
    }),
    /** The request is lost on its way, and nobody can tell. */
    failing: (what: string) => ({
      run: () => calling(what, (): string => "lost") && fail(what),
      compensate: undo(what),
    }),
    branch: (what: string) => ({
      try: run(what),
      confirm: ({ key, result }: { readonly key: string; readonly result: string }) =>
        calling(`confirm ${what}`, () => provider.confirm(key, what, result)),
      cancel: undo(what),
    }),
  };
}

function fail(what: string): never {
  throw new NonRetryableError(`${what}: no answer`);
}
