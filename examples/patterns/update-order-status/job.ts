// A change of an order's status, decided by somebody who saw a version of it. Written only if nobody wrote since; and a repeat
// of the same change is told apart from somebody else's. The second job computes from what it reads, so it reads again.
import { job, RefusedError } from "makegood";
import * as z from "zod";
import type { Shop } from "../shop.ts";

const Change = z.object({ changeId: z.string(), orderId: z.string(), version: z.int(), state: z.string() });

export const updateOrderStatus = (shop: Shop) =>
  job("update-order-status", { input: Change, key: (change) => change.changeId }, (ctx, change) =>
    ctx.tx(shop, "update", {
      run: (tx) => changeStatus(shop, tx, change),
      irreversible: "the next change is a new decision",
    }),
  );

/** `stale`: somebody changed it meanwhile, so look again and decide again. `already`: this change was made before. */
export const changeStatus = (shop: Shop, tx: Parameters<Shop["once"]>[0], change: z.infer<typeof Change>) =>
  shop.updateVersioned(tx, {
    table: "orders",
    id: change.orderId,
    version: change.version,
    set: { state: change.state },
    key: change.changeId,
  });

const Withdrawal = z.object({ id: z.string(), account: z.string(), cents: z.int().positive() });

export const withdraw = (shop: Shop) =>
  job("withdraw", { input: Withdrawal, key: (it) => it.id }, async (ctx, { id, account, cents }) => {
    // Read apart from the write, as where a person or a service decides in between; each turn is a step of its own.
    for (let turn = 1; ; turn++) {
      const seen = await ctx.tx(shop, ["read", turn], {
        run: (tx) =>
          tx
            .selectFrom("accounts")
            .select(["cents", "version"])
            .where("name", "=", account)
            .executeTakeFirst()
            .then((row) => row ?? null),
        effect: "natural",
        irreversible: "reads only",
      });
      if (seen === null || seen.cents < cents) throw new RefusedError(`${account} has too little money`);
      const set = { cents: seen.cents - cents };
      const wrote = await ctx.tx(shop, ["write", turn], {
        run: (tx) =>
          shop.updateVersioned(tx, {
            ...{ table: "accounts", columns: { id: "name" }, id: account, version: seen.version, set, key: id },
          }),
        irreversible: "the money is handed out",
      });
      if (wrote.kind !== "stale") return wrote.kind;
    }
  });
