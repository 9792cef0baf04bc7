// In transactions that the caller begins and ends with their own client, as `runIn` and the mechanisms work.
import { deepEqual, equal, rejects } from "node:assert/strict";
import type { Awaitable, BarrierMark } from "../../core/participant.ts";
import type { Script } from "../../core/script.ts";
import { type BarrierOp, type BarrierSql, dialectOf } from "../dialect.ts";
import { andThen, BodyError, bytes, type Claim, insertScript } from "./scene.ts";

/** As a barrier does it: first insert, then read what stood in the way. */
function* insertThenRead(sql: BarrierSql, mark: BarrierMark): Script<readonly (readonly BarrierOp[])[]> {
  const inserted = yield* sql.insert(mark, ["action"], "action");
  const rows = yield* sql.read(mark);
  return [inserted, rows.map((row) => row.byOp)];
}

export const callerClaims: readonly Claim[] = [
  {
    name: "runIn: in a transaction that the caller began by hand a script shares its fate",
    async check({ orders, port, note, byHand, effects }) {
      const insert = (tx: unknown): Awaitable<void> => {
        const inserting = orders.runIn(tx, insertScript(port.dialect, note, undefined));
        return port.mode === "sync" ? undefined : inserting;
      };
      await byHand(insert);
      equal(await effects(note), 1);
      const failing = byHand((tx) =>
        andThen(insert(tx), () => {
          throw new BodyError("caller rolls back");
        }),
      );
      await rejects(failing, BodyError);
      equal(await effects(note), 1);
    },
  },
  {
    name: "runIn: the client itself, its pool and things that are no client are refused before any statement",
    async check({ orders, port, note, effects, fixture }) {
      for (const tx of [fixture.root, undefined, null, {}, "tx"]) {
        const inserting = orders.runIn(tx, insertScript(port.dialect, note, undefined));
        await rejects(inserting, { code: "TRANSACTION_REQUIRED" });
      }
      equal(await effects(note), 0);
    },
  },
  {
    name: "runIn: a transaction that has ended is refused before any statement, whoever began it",
    async check({ orders, port, note, byHand, effects, fixture: { adapter } }) {
      const ended: unknown[] = [];
      const keep = (tx: unknown): void | Promise<void> => {
        ended.push(tx);
        return port.mode === "sync" ? undefined : Promise.resolve();
      };
      await byHand(keep);
      await adapter.transaction(keep as (tx: unknown) => never);
      equal(ended.length, 2);
      for (const tx of ended) {
        const inserting = orders.runIn(tx, insertScript(port.dialect, note, undefined));
        await rejects(inserting, { code: "TRANSACTION_REQUIRED" });
      }
      equal(await effects(note), 0);
    },
  },
  {
    name: "runIn: at the client's default isolation what stands in the way can be read, although the snapshot is older",
    dialects: ["postgres", "mysql"],
    async check({ orders, port, other, mark, note, doing, byHand, fixture }) {
      const sql = dialectOf(port.dialect);
      const found = await byHand(async (tx) => {
        await fixture.countInside(tx, note);
        await other.act(mark, "action", doing(note, bytes("7")));
        return orders.runIn(tx, insertThenRead(sql, mark));
      });
      deepEqual(found, [[], ["action"]]);
    },
  },
];
