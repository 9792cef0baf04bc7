import { equal, ok, rejects } from "node:assert/strict";
import { lockClaims as claims } from "../../lock/testing/lock-claims.ts";
import { pruneLocks } from "../lock/lock.ts";
import { participant } from "../participant.ts";
import type { Claim } from "./scene.ts";

export const lockClaims: readonly Claim[] = [
  ...claims.map(
    ({ name, check }): Claim => ({
      name,
      check({ orders, fixture, note }) {
        const other = participant("orders", fixture.otherAdapter);
        return check({ lock: orders.lock, other: other.lock, name: note });
      },
    }),
  ),
  {
    name: "lock: names that differ in case or by a blank are different locks, and any script will do",
    async check({ orders, note }) {
      const inner = await orders.lock(`${note} 库存 É`, {}, () =>
        orders.lock(`${note} 库存 é`, {}, () => orders.lock(`${note} 库存 é `, {}, () => "three held")),
      );
      ok(inner.kind === "done" && inner.result.kind === "done" && inner.result.result.kind === "done");
    },
  },
  {
    name: "lock: pruning takes only what nobody has held for long, and the fence goes on growing",
    async check({ orders, note }) {
      const first = await orders.lock(note, {}, ({ fence }) => fence);
      equal(await pruneLocks(orders, { unusedFor: "1h" }), 0);
      const second = await orders.lock(note, {}, ({ fence }) => fence);
      ok(first.kind === "done" && second.kind === "done" && second.result > first.result);
      await rejects(pruneLocks(orders, { unusedFor: "1m" }), { code: "OPTION_INVALID" });
    },
  },
  {
    name: "lock: without makegood's tables it says PARTICIPANT_NOT_MIGRATED",
    async check({ unmigrated }) {
      await rejects(
        unmigrated.lock("report", {}, () => "ran"),
        { code: "PARTICIPANT_NOT_MIGRATED" },
      );
    },
  },
];
