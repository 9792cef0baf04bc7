import { describe, expect, it } from "vitest";
import { StoreConflictError, StoreOutcomeUnknownError, StorePoisonError } from "../core/errors.ts";
import type { JournalRow } from "../core/journal.ts";
import { silentLog } from "../core/ports.ts";
import type { ExecutionStore, NewExecution, Write, WriteOutcome } from "../core/store.ts";
import { GroupCommit } from "./group-commit.ts";

interface Call {
  readonly starts: readonly NewExecution[];
  readonly writes: readonly Write[];
}
type Answer = (call: Call, n: number) => readonly WriteOutcome[] | Error;

/** A store whose commits end when the test says so. */
function fakeStore(answer: Answer) {
  const calls: Call[] = [];
  const store = {
    commit: async (starts: readonly NewExecution[], writes: readonly Write[]) => {
      const call = { starts, writes };
      calls.push(call);
      await new Promise((resolve) => setImmediate(resolve));
      const answered = answer(call, calls.length);
      if (answered instanceof Error) throw answered;
      return {
        starts: starts.map(({ id }) => ({
          kind: "started" as const,
          id,
          round: 0,
          status: "ready" as const,
          token: 0,
          createdAt: 0,
          deadlineAt: null,
        })),
        writes: answered,
      };
    },
  } as unknown as ExecutionStore;
  return { store, calls };
}

const clock = {
  now: () => 0,
  monotonicMs: () => 0,
  after: (_ms: number, run: () => void) => {
    const timer = setTimeout(run, 0);
    return () => clearTimeout(timer);
  },
  drained: (run: () => void) => queueMicrotask(() => process.nextTick(run)),
  soon: (run: () => void) => void setImmediate(run),
};
const random = { next: () => 0, bytes: (n: number) => new Uint8Array(n) };
const row = (step: string): JournalRow => ({
  step,
  role: "action",
  kind: "step",
  seq: 1,
  started: 1,
  attempt: 1,
  state: "done",
  body: null,
  at: 0,
  actor: null,
});
const write = (executionId: string, step = "a"): Write => ({
  lease: { executionId, token: 1 },
  direction: "forward",
  records: [row(step)],
});
const allDone: Answer = ({ writes }) => writes.map(() => ({ kind: "done", children: [] }));
const journal = (store: ExecutionStore, lanes = 1): GroupCommit =>
  new GroupCommit({ store, lanes, clock, random, log: silentLog });

describe("group commit", () => {
  it("sends what comes in one turn in one commit", async () => {
    const { store, calls } = fakeStore(allDone);
    const commits = journal(store);
    await Promise.all(["1", "2", "3"].map((id) => commits.write(write(id))));
    expect(calls.map((call) => call.writes.length)).toEqual([3]);
  });

  it("shares many out among its lanes, and leaves few together", async () => {
    const { store, calls } = fakeStore(allDone);
    const commits = journal(store, 2);
    const send = (count: number) =>
      Promise.all(Array.from({ length: count }, (_, i) => commits.write(write(String(i)))));
    await send(200);
    await send(64);
    expect(calls.map((call) => call.writes.length)).toEqual([100, 100, 64]);
  });

  it("lets what comes meanwhile ride in the next one", async () => {
    const { store, calls } = fakeStore(allDone);
    const commits = journal(store);
    const first = commits.write(write("1"));
    await new Promise((resolve) => setImmediate(resolve));
    const rest = Promise.all([commits.write(write("2")), commits.write(write("3"))]);
    await first;
    await rest;
    expect(calls.map((call) => call.writes.length)).toEqual([1, 2]);
  });

  it("never has two writes of one execution in flight, and folds the records that wait", async () => {
    let inFlight = 0;
    const { store, calls } = fakeStore((call) => {
      inFlight--;
      return allDone(call, 0) as readonly WriteOutcome[];
    });
    const counted = {
      ...store,
      commit: async (starts: readonly NewExecution[], writes: readonly Write[]) => {
        expect(++inFlight).toBe(1);
        return store.commit(starts, writes);
      },
    } as ExecutionStore;
    const commits = journal(counted, 2);
    const first = commits.write(write("1", "a"));
    await new Promise((resolve) => setImmediate(resolve));
    const rest = [
      commits.write(write("1", "b")),
      commits.write(write("1", "c")),
      commits.write({ ...write("1", "d"), transition: { name: "pivot" } }),
    ];
    await Promise.all([first, ...rest]);
    expect(calls.map((call) => call.writes.map((one) => one.records?.map((record) => record.step)))).toEqual([
      [["a"]],
      [["b", "c"]],
      [["d"]],
    ]);
  });

  it("folds the records that wait into the end behind them, but into nothing else that moves the execution", async () => {
    const { store, calls } = fakeStore(({ writes }) => writes.map(() => ({ kind: "done", children: [] })));
    const commits = journal(store);
    const moves = ["complete", "confirm", "compensated", "park", "suspend", "turn-back"] as const;
    await Promise.all(
      moves.flatMap((name) => [
        commits.write(write(name, "last")),
        commits.write({ lease: write(name).lease, direction: "forward", transition: { name } }),
      ]),
    );
    const shapes = calls
      .flatMap((call) => call.writes)
      .map(({ lease, records, transition }) => [lease.executionId, records?.length ?? 0, transition?.name]);
    expect(shapes.toSorted()).toEqual([
      ["compensated", 0, "compensated"],
      ["compensated", 1, undefined],
      ["complete", 1, "complete"],
      ["confirm", 1, "confirm"],
      ["park", 0, "park"],
      ["park", 1, undefined],
      ["suspend", 0, "suspend"],
      ["suspend", 1, undefined],
      ["turn-back", 0, "turn-back"],
      ["turn-back", 1, undefined],
    ]);
  });

  it("fails what stands behind a write that fails, and sends what comes after", async () => {
    const { store, calls } = fakeStore(({ writes }) => {
      if (writes.some(({ records }) => records?.[0]?.step === "bad")) throw new Error("value too long");
      return writes.map(() => ({ kind: "done", children: [] }));
    });
    const commits = journal(store);
    const bad = commits.write(write("1", "bad"));
    await new Promise((resolve) => setImmediate(resolve));
    const park: Write = { lease: write("1").lease, direction: "any", transition: { name: "park" } };
    const end: Write = { lease: write("1").lease, direction: "forward", transition: { name: "complete" } };
    const answers = await Promise.allSettled([bad, commits.write(end), commits.write(write("2"))]);
    expect(answers.map(({ status }) => status)).toEqual(["rejected", "rejected", "fulfilled"]);
    expect(await commits.write(park)).toMatchObject({ kind: "done" });
    const sent = calls.flatMap((call) => call.writes.map(({ transition }) => transition?.name));
    expect(sent).not.toContain("complete");
    await commits.drained();
  });

  it("sends what stands behind the note of an attempt that fails", async () => {
    const { store } = fakeStore(({ writes }) => {
      if (writes.some(({ attempts }) => attempts !== undefined)) throw new Error("value too long");
      return writes.map(() => ({ kind: "done", children: [] }));
    });
    const commits = journal(store);
    const note = commits.write({ lease: write("1").lease, direction: "any", attempts: [] });
    const rest = commits.write(write("1", "a"));
    const answers = await Promise.allSettled([note, rest]);
    expect(answers.map(({ status }) => status)).toEqual(["rejected", "fulfilled"]);
  });

  it("gives each element its own outcome, and sends the busy one again", async () => {
    const { store, calls } = fakeStore(({ writes }, n) =>
      writes.map((one) =>
        one.lease.executionId === "busy" && n === 1
          ? { kind: "busy" }
          : one.lease.executionId === "lost"
            ? { kind: "lost" }
            : { kind: "done", children: [] },
      ),
    );
    const commits = journal(store);
    const answers = await Promise.all([
      commits.write(write("fine")),
      commits.write(write("lost")),
      commits.write(write("busy")),
    ]);
    expect(answers.map((answer) => answer.kind)).toEqual(["done", "lost", "done"]);
    expect(calls[1]?.writes.map((one) => one.lease.executionId)).toEqual(["busy"]);
  });

  it("repeats the same batch when the outcome is unknown or the store conflicts", async () => {
    const errors = [new StoreOutcomeUnknownError("lost", {}), new StoreConflictError("deadlock", {})];
    const { store, calls } = fakeStore((call) => errors.shift() ?? allDone(call, 0));
    const commits = journal(store);
    expect((await commits.write(write("1"))).kind).toBe("done");
    expect(calls).toHaveLength(3);
    expect(new Set(calls.map((call) => call.writes[0])).size).toBe(1);
  });

  it("splits a poisoned batch until only the bad one fails", async () => {
    const { store } = fakeStore((call) =>
      call.writes.some((one) => one.lease.executionId === "bad")
        ? new StorePoisonError("refused", {})
        : allDone(call, 0),
    );
    const commits = journal(store);
    const answers = await Promise.allSettled(["1", "2", "bad", "3", "4"].map((id) => commits.write(write(id))));
    expect(answers.map((answer) => answer.status)).toEqual([
      "fulfilled",
      "fulfilled",
      "rejected",
      "fulfilled",
      "fulfilled",
    ]);
    await commits.drained();
    expect(commits.isIdle).toBe(true);
  });

  it("refuses what comes after the close", async () => {
    const { store } = fakeStore(allDone);
    const commits = journal(store);
    commits.close();
    await expect(commits.write(write("1"))).rejects.toMatchObject({ code: "APP_CLOSED" });
  });
});
