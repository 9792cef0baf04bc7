import { deepEqual, equal, ok, rejects } from "node:assert/strict";
import type { Role } from "../../core/journal.ts";
import type { BarrierOutcome } from "../../core/participant.ts";
import { andThen, BodyError, type Claim, failing, type Scene } from "./scene.ts";

type Effect = (tx: unknown, origin: unknown) => unknown;

/** One call of a step in this role, in a transaction of its own as a handler would open it. */
async function called(scene: Scene, role: Role, effect: Effect): Promise<BarrierOutcome<unknown>> {
  const { orders, mark, fixture } = scene;
  const call = { executionId: mark.gid, step: mark.branch, round: mark.round, role, key: "k" };
  const body = (tx: unknown): unknown => orders.barrier(tx, call, (origin) => effect(tx, origin));
  return (await fixture.adapter.transaction(body)) as BarrierOutcome<unknown>;
}

export const barrierClaims: readonly Claim[] = [
  {
    name: "barrier: an action runs once, and its repeat is given what it gave",
    async check(scene) {
      const { note, fixture, effects } = scene;
      const answer = { receipt: "R-1", at: new Date(0), total: 5n };
      const take: Effect = (tx) => andThen(fixture.insertEffect(tx, note), () => answer);
      deepEqual(await called(scene, "action", take), { kind: "done", result: answer });
      deepEqual(await called(scene, "action", take), { kind: "repeated", result: answer });
      equal(await effects(note), 1);
    },
  },
  {
    name: "barrier: an undo is given the action's result, runs once, and its repeat is given what it gave",
    async check(scene) {
      const { note, fixture, effects } = scene;
      await called(scene, "action", () => ({ receipt: "R-1" }));
      const undo: Effect = (tx, origin) => {
        deepEqual(origin, { receipt: "R-1" });
        return andThen(fixture.insertEffect(tx, note), () => "undone");
      };
      deepEqual(await called(scene, "compensation", undo), { kind: "done", result: "undone" });
      deepEqual(await called(scene, "compensation", undo), { kind: "repeated", result: "undone" });
      equal(await effects(note), 1);
    },
  },
  {
    name: "barrier: an undo that comes first does nothing, twice, and blocks its action, twice",
    async check(scene) {
      const { note, fixture, effects } = scene;
      const effect: Effect = (tx) => fixture.insertEffect(tx, note);
      deepEqual(await called(scene, "cancel", effect), { kind: "empty" });
      equal((await called(scene, "cancel", effect)).kind, "repeated");
      deepEqual(await called(scene, "try", effect), { kind: "blocked" });
      deepEqual(await called(scene, "try", effect), { kind: "blocked" });
      equal(await effects(note), 0);
    },
  },
  {
    name: "barrier: a confirm runs once after its try, and is refused without one",
    async check(scene) {
      const { note, fixture, effects } = scene;
      const effect: Effect = (tx) => fixture.insertEffect(tx, note);
      await rejects(called(scene, "confirm", effect), { code: "TRY_MISSING" });
      await called(scene, "try", () => "held");
      const confirm: Effect = (tx, origin) => {
        equal(origin, "held");
        return effect(tx, origin);
      };
      equal((await called(scene, "confirm", confirm)).kind, "done");
      equal((await called(scene, "confirm", confirm)).kind, "repeated");
      equal(await effects(note), 1);
    },
  },
  {
    name: "barrier: an effect that throws leaves no row behind, even if the caller catches and commits",
    async check(scene) {
      const { note, mark, orders, fixture, effects } = scene;
      const call = { executionId: mark.gid, step: mark.branch, round: 0, role: "action", key: "k" } as const;
      let thrown: unknown;
      await fixture.adapter.transaction((tx) => {
        const caught = (error: unknown): void => {
          thrown = error;
        };
        const fail = failing(() => undefined, new BodyError("no stock"));
        try {
          const done: unknown = orders.barrier(tx, call, () => fail(tx) as never);
          return done instanceof Promise ? done.catch(caught) : done;
        } catch (error) {
          return caught(error);
        }
      });
      ok(thrown instanceof BodyError);
      equal((await called(scene, "action", (tx) => fixture.insertEffect(tx, note))).kind, "done");
      equal(await effects(note), 1);
    },
  },
  {
    name: "barrier: without makegood's tables it says PARTICIPANT_NOT_MIGRATED",
    async check({ unmigrated, mark, fixture }) {
      const call = { executionId: mark.gid, step: "s", round: 0, role: "action", key: "k" } as const;
      const refused = async () => fixture.emptyAdapter.transaction((tx) => unmigrated.barrier(tx, call, () => null));
      await rejects(refused, { code: "PARTICIPANT_NOT_MIGRATED" });
    },
  },
];
