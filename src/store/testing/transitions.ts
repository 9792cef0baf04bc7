// Each transition of an owner, in each state that a guard row can be in: the store does what core's table says.
import { describe, expect } from "vitest";
import {
  allows,
  type OwnerTransition,
  type Phase,
  type TransitionRule,
  terminalStatuses,
  transitions,
} from "../../core/execution.ts";
import type { Lease } from "../../core/store.ts";
import type { Suite } from "./harness.ts";
import { bytes, directionOf, plain, record, type Scene, type TestWorker } from "./scene.ts";

const rules: Readonly<Record<string, TransitionRule>> = transitions;
export const ownerTransitions = Object.keys(transitions).filter(
  (name) => rules[name]?.by === "owner",
) as readonly OwnerTransition[];
/** A canceled execution cannot pass its pivot, so that the other two do not exist. */
const situations = [
  ["open", false],
  ["open", true],
  ["pivoted", false],
  ["confirming", false],
  ["back", false],
  ["back", true],
] as const satisfies readonly (readonly [Phase, boolean])[];

export function testTransitions(suite: Suite): void {
  describe("by the table", () => {
    for (const name of ownerTransitions)
      for (const [phase, isCanceled] of situations) {
        const inbox = isCanceled ? 1 : 0;
        const direction = directionOf(name) === "any" ? "any" : phase === "back" ? "back" : "forward";
        const isAllowed = allows(name, { status: "running", phase, isCanceled, inbox }, inbox);
        suite.test(
          `${name} is ${isAllowed ? "done" : "refused"} in phase ${phase}${isCanceled ? ", canceled" : ""}`,
          async (scene) => {
            const lease = await runningIn(scene, await scene.worker(), phase, isCanceled);
            const outcome = await scene.write({
              lease,
              direction,
              seenInbox: inbox,
              records: [record(":mark")],
              transition: transitionOf(name),
            });
            expect(outcome).toEqual(
              isAllowed
                ? { kind: "done", children: [] }
                : { kind: "refused", phase, cancel: isCanceled ? "canceled" : null, inbox },
            );
            const rule = rules[name] as TransitionRule;
            const found = await scene.find(lease.executionId);
            expect(found.status).toBe(isAllowed ? (rule.status ?? "running") : "running");
            expect(found.phase).toBe(isAllowed ? (rule.phase ?? phase) : phase);
            expect(found.token).toBe(lease.token);
            expect(found.worker === null).toBe(found.status !== "running");
            expect(found.endedAt !== null).toBe(terminalStatuses.includes(found.status));
            expect((await scene.load(lease.executionId)).journal).toHaveLength(isAllowed ? 1 : 0);
          },
        );
      }
  });

  suite.test("no owner transition touches an execution that is not running", async (scene) => {
    const worker = await scene.worker();
    for (const leave of ["hand-back", "suspend", "park", "complete"] as const)
      for (const name of ownerTransitions) {
        const lease = await scene.running(worker);
        await scene.done(scene.move(lease, transitionOf(leave), { seenInbox: 0 }));
        const before = await scene.find(lease.executionId);
        const outcome = await scene.write({
          lease,
          direction: directionOf(name),
          seenInbox: 0,
          records: [record(":late")],
          transition: transitionOf(name),
        });
        expect(outcome).toEqual({ kind: "lost" });
        expect(await scene.find(lease.executionId)).toEqual(before);
      }
  });

  suite.test("the reason of a turn is kept to the end", async (scene) => {
    const worker = await scene.worker();
    for (const reason of ["failed", "canceled", "timed-out"] as const) {
      const lease = await scene.running(worker);
      await scene.done(scene.move(lease, { name: "turn-back", reason }));
      expect(await scene.find(lease.executionId)).toMatchObject({ status: "running", phase: "back", reason });
      await scene.done(
        scene.move(lease, {
          name: "compensated",
          parent: null,
          holdsSlot: false,
          outcome: { result: null, error: bytes(3), undoneCount: 2 },
        }),
      );
      expect(await scene.find(lease.executionId)).toMatchObject({
        status: "compensated",
        phase: "back",
        reason,
        undoneCount: 2,
      });
    }
  });

  suite.test("moves in one commit, alike or not, each come to what they say", async (scene) => {
    const worker = await scene.worker();
    const complete = { name: "complete", parent: null, holdsSlot: false } as const;
    const ending = (result: Uint8Array) => ({ ...complete, outcome: { result, error: null, undoneCount: 0 } });
    const long = new Uint8Array(200).fill(7);
    const moves = [
      ...[ending(bytes(1)), ending(bytes(1)), ending(bytes(2)), ending(long), ending(long), complete, complete],
      ...[60_000, 60_000, 90_000, null].map((wakeInMs) => ({ name: "suspend" as const, wakeInMs })),
    ];
    const leases = await Promise.all(moves.map(() => scene.running(worker)));
    const { writes } = await scene.store.executions.commit(
      [],
      leases.map((lease, n) => {
        const transition = moves[n] ?? complete;
        return { lease, direction: "forward", seenInbox: 0, transition };
      }),
    );
    expect(new Set(writes.map(({ kind }) => kind))).toEqual(new Set(["done"]));
    const outcomes = await scene.store.reads.outcomes(leases.map(({ executionId }) => executionId));
    const told = leases.map(async ({ executionId }) => {
      const { status, wakeAt, endedAt } = await scene.find(executionId);
      const wakesIn = wakeAt === null ? null : Math.round((wakeAt - Date.now()) / 30_000) * 30_000;
      return [status, endedAt !== null, wakesIn, plain(outcomes.get(executionId)?.result ?? null)];
    });
    const sevens = Array.from(long);
    expect(await Promise.all(told)).toEqual([
      ...[[1], [1], [2], sevens, sevens, null, null].map((result) => ["completed", true, null, result]),
      ...[60_000, 60_000, 90_000, null].map((wakesIn) => ["waiting", false, wakesIn, null]),
    ]);
  });

  suite.test("the outcome written with the end is what callers read", async (scene) => {
    const worker = await scene.worker();
    const [completed, failed, silent, unfinished] = [
      await scene.running(worker),
      await scene.running(worker),
      await scene.running(worker),
      await scene.running(worker),
    ];
    await scene.complete(completed, { outcome: { result: bytes(1), error: null, undoneCount: 0 } });
    await scene.done(scene.move(failed, { name: "turn-back", reason: "failed" }));
    await scene.done(
      scene.move(failed, {
        name: "compensated",
        parent: null,
        holdsSlot: false,
        outcome: { result: null, error: bytes(2), undoneCount: 1 },
      }),
    );
    await scene.complete(silent);
    const outcomes = await scene.store.reads.outcomes(
      [completed, failed, silent, unfinished].map((lease) => lease.executionId),
    );
    const shown = [...outcomes].map(([id, outcome]) => [
      id,
      { ...outcome, result: plain(outcome.result), error: plain(outcome.error) },
    ]);
    expect(new Map(shown as never)).toEqual(
      new Map([
        [
          completed.executionId,
          {
            status: "completed",
            phase: "open",
            reason: null,
            undoneCount: 0,
            result: [1],
            error: null,
            incidentId: null,
          },
        ],
        [
          failed.executionId,
          {
            status: "compensated",
            phase: "back",
            reason: "failed",
            undoneCount: 1,
            result: null,
            error: [2],
            incidentId: null,
          },
        ],
        [
          silent.executionId,
          {
            status: "completed",
            phase: "open",
            reason: null,
            undoneCount: 0,
            result: null,
            error: null,
            incidentId: null,
          },
        ],
        [
          unfinished.executionId,
          {
            status: "running",
            phase: "open",
            reason: null,
            undoneCount: 0,
            result: null,
            error: null,
            incidentId: null,
          },
        ],
      ]),
    );
  });

  suite.test("the outcome written with the decision to confirm outlives the end", async (scene) => {
    const worker = await scene.worker();
    const lease = await scene.running(worker);
    await scene.done(
      scene.move(lease, { name: "confirm", outcome: { result: bytes(6), error: null, undoneCount: 0 } }),
    );
    expect(await scene.find(lease.executionId)).toMatchObject({ status: "running", phase: "confirming" });
    await scene.complete(lease);
    const outcome = (await scene.store.reads.outcomes([lease.executionId])).get(lease.executionId);
    expect({ ...outcome, result: plain(outcome?.result) }).toMatchObject({
      status: "completed",
      phase: "confirming",
      result: [6],
    });
  });

  suite.test("a park opens one incident, which readers of the outcome are shown", async (scene) => {
    const lease = await scene.running(await scene.worker());
    await scene.done(
      scene.move(lease, { name: "park", incident: { code: "COMPENSATION_FAILED", step: "charge", error: bytes(4) } }),
    );
    const incidents = await scene.store.reads.openIncidents({ namespace: scene.namespace, limit: 10 });
    expect(incidents.map((row) => ({ ...row, error: plain(row.error) }))).toMatchObject([
      { executionId: lease.executionId, code: "COMPENSATION_FAILED", step: "charge", error: [4], closedAt: null },
    ]);
    expect((await scene.store.reads.outcomes([lease.executionId])).get(lease.executionId)).toMatchObject({
      status: "parked",
      incidentId: incidents[0]?.id,
    });
  });

  suite.test("a hand-back is ready at once, for anybody, under the next token", async (scene) => {
    const lease = await scene.running(await scene.worker());
    await scene.done(scene.record(lease, record("a")));
    await scene.done(scene.move(lease, { name: "hand-back" }));
    expect(await scene.claimOne(await scene.worker())).toMatchObject({ id: lease.executionId, token: lease.token + 1 });
    expect((await scene.load(lease.executionId)).journal).toMatchObject([{ step: "a", token: lease.token }]);
  });
}

/** A running execution brought into that phase, with a cancel accepted before it turned back. */
export async function runningIn(scene: Scene, worker: TestWorker, phase: Phase, isCanceled: boolean): Promise<Lease> {
  const lease = await scene.running(worker);
  if (isCanceled) await scene.cancel(lease.executionId);
  const way = { open: null, pivoted: "pivot", confirming: "confirm", back: "turn-back" } as const;
  const name = way[phase];
  if (name !== null) await scene.done(scene.move(lease, { name, reason: "failed" }));
  return lease;
}

export function transitionOf(name: OwnerTransition) {
  return {
    name,
    reason: "failed",
    wakeInMs: null,
    parent: null,
    holdsSlot: false,
    incident: { code: "STEP_DRIFT", step: null, error: null },
  } as const;
}
