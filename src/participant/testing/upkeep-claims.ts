import { deepEqual, equal, ok, rejects } from "node:assert/strict";
import type { Script } from "../../core/script.ts";
import type { Dialect } from "../../core/store.ts";
import { pruneBarrier } from "../barrier/prune.ts";
import { bytes, type Claim, codeOf, parameter, threw } from "./scene.ts";

function* rowsOf(dialect: Dialect, gid: string): Script<readonly unknown[]> {
  const table = dialect === "postgres" ? "makegood.barrier" : "makegood_barrier";
  const branch = dialect === "mysql" ? "CONVERT(branch_id USING utf8mb4) AS branch_id" : "branch_id";
  const columns = `trans_type, ${branch}, op, barrier_id, reason, round`;
  const where = `WHERE gid = ${parameter(dialect, 1, "text")}`;
  const rows = yield { sql: `SELECT ${columns} FROM ${table} ${where} ORDER BY branch_id, op`, parameters: [gid] };
  return rows.map((row) => Object.values({ ...row }).join(" "));
}

export const upkeepClaims: readonly Claim[] = [
  {
    name: "migrate: a second time, and from several at once, changes nothing",
    async check({ orders, port, mark, note, doing }) {
      await port.act(mark, "action", doing(note, bytes("kept")));
      await Promise.all([orders.migrate(), orders.migrate(), orders.migrate()]);
      deepEqual(await port.act(mark, "action", doing(note)), { kind: "stored", result: bytes("kept") });
    },
  },
  {
    name: "without makegood's tables each call says PARTICIPANT_NOT_MIGRATED, and what to call",
    async check({ unmigrated: { port }, mark, note, doing, undoing }) {
      const outcomes = [
        await port.act(mark, "action", doing(note)),
        await port.undo(mark, "compensation", undoing(note)),
        await port.confirm(mark, undoing(note)),
      ];
      for (const outcome of outcomes) {
        const error = threw(outcome);
        equal(codeOf(error), "PARTICIPANT_NOT_MIGRATED");
        ok(/participant stock.*call its migrate\(\)/s.test(String(error)), String(error));
      }
    },
  },
  {
    name: "the barrier's rows are DTM's: who did what, and by whom it was blocked",
    async check({ port, mark, note, doing, undoing }) {
      await port.act({ ...mark, branch: "a", round: 3 }, "action", doing(note));
      await port.undo({ ...mark, branch: "a", round: 3 }, "compensation", undoing(note));
      await port.undo({ ...mark, branch: "b" }, "cancel", undoing(note));
      deepEqual(await port.ask(rowsOf(port.dialect, mark.gid)), [
        "saga a action 01 action 3",
        "saga a compensation 01 compensation 3",
        "tcc b cancel 01 cancel 0",
        "tcc b try 01 cancel 0",
      ]);
    },
  },
  {
    name: "prune: takes the rows of the given executions and of no other",
    async check({ orders, port, mark, note, doing, fixture }) {
      const [second, kept] = [fixture.newId(), fixture.newId()];
      for (const gid of [mark.gid, second, kept]) await port.act({ ...mark, gid }, "action", doing(note));
      equal(await pruneBarrier(orders, [mark.gid, second, fixture.newId()]), 2);
      equal(await pruneBarrier(orders, [mark.gid, second]), 0);
      equal((await port.act({ ...mark, gid: kept }, "action", doing(note))).kind, "stored");
      equal((await port.act(mark, "action", doing(note))).kind, "ran");
    },
  },
  {
    name: "prune: takes more executions than fit into one transaction, and refuses what is no execution's id",
    async check({ orders, mark, fixture }) {
      equal(await pruneBarrier(orders, Array.from({ length: 1_001 }, fixture.newId)), 0);
      equal(await pruneBarrier(orders, []), 0);
      await rejects(pruneBarrier(orders, [mark.gid, "x,y"]), { code: "OPTION_INVALID" });
    },
  },
  {
    name: "prune: by age takes the rows of executions that began before it, and of no other",
    async check({ orders, port, mark, note, doing, fixture }) {
      const old = "00000000-0001-7000-8000-000000000000";
      const recent = fixture.newId();
      for (const gid of [old, recent]) await port.act({ ...mark, gid }, "action", doing(note));
      equal(await pruneBarrier(orders, { startedBefore: "1d" }), 1);
      equal((await port.act({ ...mark, gid: recent }, "action", doing(note))).kind, "stored");
      await rejects(pruneBarrier(orders, { startedBefore: "1h" }), { code: "OPTION_INVALID" });
    },
  },
];
