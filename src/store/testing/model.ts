// Random sequences of port calls, side by side with the guard rows that core's table predicts.

import fc from "fast-check";
import { expect } from "vitest";
import {
  allows,
  isTerminal,
  type OwnerTransition,
  type Phase,
  type Reason,
  type Status,
  type TransitionName,
  type TransitionRule,
  transitions,
} from "../../core/execution.ts";
import type { Write, WriteOutcome } from "../../core/store.ts";
import type { Suite } from "./harness.ts";
import { record, Scene, type TestWorker } from "./scene.ts";
import { ownerTransitions, transitionOf } from "./transitions.ts";

/** What the model remembers of an execution. */
interface Guard {
  readonly id: string;
  status: Status;
  phase: Phase;
  cancel: Reason | null;
  inbox: number;
  token: number;
  worker: string | null;
  /** Waiting for a time that has come. */
  isDue: boolean;
  /** Steps recorded so far. */
  recordCount: number;
}

interface World {
  readonly scene: Scene;
  readonly guards: Guard[];
  worker: TestWorker;
}

type Act = (world: World) => Promise<void>;
const rules: Readonly<Record<TransitionName, TransitionRule>> = transitions;
const runCount = 60;

export function testModel(suite: Suite): void {
  suite.test(
    "whatever is called in whatever order, guard rows are as the table of transitions says",
    async ({ store }) => {
      await fc.assert(
        fc.asyncProperty(fc.array(act, { minLength: 5, maxLength: 40 }), async (acts) => {
          const scene = new Scene(store);
          const world: World = { scene, guards: [], worker: await scene.worker() };
          await start(true)(world);
          for (const { run } of acts) {
            await run(world);
            await compare(world);
          }
        }),
        { numRuns: runCount },
      );
    },
  );
}

// ── What may be done ───────────────────────────────────────────────────────────────────────────────────────────────

const which = fc.nat({ max: 2 });
/** Most are what an owner would do; the rest are out of place. */
const tokenOff = fc.oneof({ weight: 6, arbitrary: fc.constant(0) }, { weight: 1, arbitrary: fc.constantFrom(-1, 1) });
const direction = fc.constantFrom<Write["direction"]>("forward", "back", "any");
const named = (label: string, run: Act) => ({ run, toString: () => label });

const act = fc.oneof(
  { weight: 2, arbitrary: fc.boolean().map((isClaimed) => named(`start(${isClaimed})`, start(isClaimed))) },
  { weight: 4, arbitrary: fc.constant(named("claim", claim)) },
  {
    weight: 6,
    arbitrary: fc
      .tuple(which, tokenOff, direction)
      .map(([i, off, to]) => named(`record(${i}, ${off}, ${to})`, write(i, off, to, null, true))),
  },
  {
    weight: 12,
    arbitrary: fc
      .tuple(which, tokenOff, direction, fc.constantFrom(...ownerTransitions), fc.boolean())
      .map(([i, off, to, name, isFresh]) =>
        named(`${name}(${i}, ${off}, ${to}, ${isFresh})`, write(i, off, to, name, isFresh)),
      ),
  },
  { weight: 2, arbitrary: which.map((i) => named(`signal(${i})`, signal(i))) },
  { weight: 2, arbitrary: which.map((i) => named(`cancel(${i})`, command(i, "cancel"))) },
  { weight: 1, arbitrary: which.map((i) => named(`kill(${i})`, command(i, "kill"))) },
  { weight: 3, arbitrary: which.map((i) => named(`resume(${i})`, command(i, "resume"))) },
  {
    weight: 1,
    arbitrary: fc
      .tuple(which, fc.constantFrom("settle-completed" as const, "settle-compensated" as const))
      .map(([i, name]) => named(`${name}(${i})`, command(i, name))),
  },
  { weight: 2, arbitrary: fc.constant(named("crash and rescue", rescue)) },
  { weight: 2, arbitrary: fc.constant(named("wakeDue", wakeDue)) },
  { weight: 1, arbitrary: fc.tuple(which, tokenOff).map(([i, off]) => named(`adopt(${i}, ${off})`, adopt(i, off))) },
);

function start(isClaimed: boolean): Act {
  return async ({ scene, guards, worker }) => {
    if (guards.length > 2) return;
    const { id, status, token } = await scene.start({ claimFor: isClaimed ? worker.id : null });
    expect([status, token]).toEqual(isClaimed ? ["running", 1] : ["ready", 0]);
    guards.push({
      id,
      status,
      phase: "open",
      cancel: null,
      inbox: 0,
      token,
      worker: isClaimed ? worker.id : null,
      isDue: false,
      recordCount: 0,
    });
  };
}

async function claim({ scene, guards, worker }: World): Promise<void> {
  const ready = guards.filter((guard) => allowsNow("claim", guard));
  for (const guard of ready) apply("claim", guard, worker.id);
  const claimed = await scene.claim(worker);
  expect(claimed.map(({ id, token }) => `${id} ${token}`).sort()).toEqual(
    ready.map(({ id, token }) => `${id} ${token}`).sort(),
  );
}

let writeCount = 0;
function write(
  index: number,
  tokenOff: number,
  to: Write["direction"],
  name: OwnerTransition | null,
  isFresh: boolean,
): Act {
  return on(index, async ({ scene }, guard) => {
    const seenInbox = isFresh ? guard.inbox : guard.inbox - 1;
    const lease = { executionId: guard.id, token: guard.token + tokenOff };
    const expected = writeOutcome(guard, lease.token, to, name, seenInbox);
    if (expected.kind === "done") {
      guard.recordCount++;
      if (name !== null) apply(name, guard, null);
      guard.isDue = name === "suspend";
    }
    const transition = name === null ? {} : { transition: { ...transitionOf(name), wakeInMs: 0 } };
    expect(
      await scene.write({ lease, direction: to, seenInbox, records: [record(`step ${writeCount++}`)], ...transition }),
    ).toEqual(expected);
  });
}

function writeOutcome(
  guard: Guard,
  token: number,
  to: Write["direction"],
  name: OwnerTransition | null,
  seenInbox: number,
): WriteOutcome {
  if (token !== guard.token || guard.status !== "running") return { kind: "lost" };
  const fits = to === "any" || (to === "back") === (guard.phase === "back");
  if (fits && seenInbox === guard.inbox && (name === null || allowsNow(name, guard, seenInbox)))
    return { kind: "done", children: [] };
  return { kind: "refused", phase: guard.phase, cancel: guard.cancel, inbox: guard.inbox };
}

let signalCount = 0;
function signal(index: number): Act {
  return on(index, async ({ scene }, guard) => {
    const isRefused = isTerminal(guard.status);
    if (!isRefused) message(guard);
    const outcome = await scene.signal(guard.id, `s-${signalCount++}`);
    expect(outcome).toEqual({ kind: isRefused ? "refused" : "accepted", status: guard.status, phase: guard.phase });
  });
}

function command(index: number, name: "cancel" | "kill" | "resume" | "settle-completed" | "settle-compensated"): Act {
  return on(index, async ({ scene }, guard) => {
    const isAccepted = allowsNow(name, guard);
    if (isAccepted && name === "cancel") cancel(guard);
    else if (isAccepted) apply(name, guard, null);
    const outcome = await {
      cancel: () => scene.cancel(guard.id),
      kill: () => scene.kill(guard.id),
      resume: () => scene.resume(guard.id),
      "settle-completed": () => scene.settle(guard.id, "completed"),
      "settle-compensated": () => scene.settle(guard.id, "compensated"),
    }[name]();
    expect(outcome).toEqual({ kind: isAccepted ? "accepted" : "refused", status: guard.status, phase: guard.phase });
  });
}

async function rescue(world: World): Promise<void> {
  const { scene, guards } = world;
  world.worker = await scene.crash(world.worker);
  const orphans = guards.filter((guard) => allowsNow("rescue", guard));
  for (const guard of orphans) apply("rescue", guard, world.worker.id);
  const { claimed, parked } = await scene.rescue(world.worker, { maxCrashes: 1_000 });
  expect(parked).toEqual([]);
  expect(claimed.map(({ id, token }) => `${id} ${token}`).sort()).toEqual(
    orphans.map(({ id, token }) => `${id} ${token}`).sort(),
  );
}

async function wakeDue({ scene, guards }: World): Promise<void> {
  const due = guards.filter((guard) => guard.isDue && allowsNow("wake", guard));
  for (const guard of due) apply("wake", guard, null);
  expect(await scene.wakeDue()).toEqual({ wokenCount: due.length, nextInMs: null });
}

function adopt(index: number, tokenOff: number): Act {
  return on(index, async ({ scene, worker }, guard) => {
    const token = guard.token + tokenOff;
    const isAdopted = tokenOff === 0 && guard.worker === worker.id && allowsNow("adopt", guard);
    if (isAdopted) apply("adopt", guard, worker.id);
    const adopted = await scene.store.workers.adopt({ worker: worker.id, orphans: [{ executionId: guard.id, token }] });
    expect(adopted.map((each) => each.token)).toEqual(isAdopted ? [guard.token] : []);
  });
}

// ── What the table says of it ──────────────────────────────────────────────────────────────────────────────────────

function on(index: number, run: (world: World, guard: Guard) => Promise<void>): Act {
  return async (world) => {
    const guard = world.guards[index];
    if (guard !== undefined) await run(world, guard);
  };
}

function allowsNow(name: TransitionName, guard: Guard, seenInbox?: number): boolean {
  return allows(name, { ...guard, isCanceled: guard.cancel !== null }, seenInbox);
}

function apply(name: TransitionName, guard: Guard, worker: string | null): void {
  const rule = rules[name];
  guard.status = rule.status ?? guard.status;
  guard.phase = rule.phase ?? guard.phase;
  if (rule.raisesToken) guard.token++;
  if (worker !== null) guard.worker = worker;
  if (guard.status !== "running") guard.worker = null;
}

function message(guard: Guard): void {
  guard.inbox++;
  if (guard.status === "waiting") guard.status = "ready";
}

/** Accepted once; again it only wakes what has come to rest since. */
function cancel(guard: Guard): void {
  const isRepeated = guard.cancel !== null && (guard.status === "ready" || guard.status === "running");
  if (isRepeated) return;
  guard.cancel ??= "canceled";
  if (guard.status === "parked") guard.status = "ready";
  message(guard);
}

async function compare({ scene, guards }: World): Promise<void> {
  for (const guard of guards) {
    const { status, phase, cancel: canceled, token, worker } = await scene.find(guard.id);
    const { journal, inbox } = await scene.load(guard.id);
    expect({ status, phase, cancel: canceled, token, worker, inbox, recordCount: journal.length }).toEqual({
      status: guard.status,
      phase: guard.phase,
      cancel: guard.cancel,
      token: guard.token,
      worker: guard.worker,
      inbox: guard.inbox,
      recordCount: guard.recordCount,
    });
  }
}
