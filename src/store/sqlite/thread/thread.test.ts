import { spawnSync } from "node:child_process";
import { existsSync, renameSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import {
  CatalogError,
  InvariantError,
  isCodedError,
  StoreConflictError,
  StorePoisonError,
} from "../../../core/errors.ts";
import type { NewExecution, Store, Write } from "../../../core/store.ts";
import { failedAttempt, newId, record, Scene } from "../../testing/scene.ts";
import { systemClock, systemRandom } from "../in-thread.ts";
import { createMoments } from "../moment.ts";
import { ownTransactions } from "../own.ts";
import { sqlite } from "../sqlite.ts";
import { startProcess, withFile } from "../testing/spawn.ts";
import { fromSent, toSent } from "./sent-error.ts";
import { threaded } from "./threaded.ts";
import { packCommit, packOutcomes, unpackCommit, unpackOutcomes } from "./wire.ts";

const dying = new URL("../testing/dying-thread.ts", import.meta.url);

async function withDyingStore(run: (store: Store, path: string) => Promise<void>): Promise<void> {
  await withFile(async (path) => {
    const store = threaded(dying, { path, busyTimeoutMs: 10, conflictAfterMs: 1_000 }, (identity) =>
      ownTransactions(identity, createMoments(systemClock, systemRandom)),
    );
    await store.open();
    try {
      await run(store, path);
    } finally {
      await store.close();
    }
  });
}

describe("a thread that dies", () => {
  test("before it began leaves the outcome unknown; the next call starts another, and nothing is there", () =>
    withDyingStore(async (store) => {
      const scene = new Scene(store);
      const id = newId();
      await expect(scene.start({ id, job: "die before" })).rejects.toMatchObject({
        code: "STORE_OUTCOME_UNKNOWN",
        retryable: true,
        effect: "unknown",
        message: expect.stringContaining("Repeat the same call"),
      });
      expect(await store.reads.find(id)).toBeNull();
      await scene.start({ id });
    }));

  test("after the commit leaves the outcome unknown; the repeat is told that it is there", () =>
    withDyingStore(async (store) => {
      const scene = new Scene(store);
      const id = newId();
      await expect(scene.start({ id, job: "die after" })).rejects.toMatchObject({ code: "STORE_OUTCOME_UNKNOWN" });
      expect(await scene.startAny({ id })).toMatchObject({ kind: "exists", id });
    }));

  test("of an error of its own names it as the cause", () =>
    withDyingStore(async (store) => {
      const start = new Scene(store).start({ job: "throw" });
      await expect(start).rejects.toMatchObject({
        code: "STORE_OUTCOME_UNKNOWN",
        cause: expect.objectContaining({ message: expect.stringMatching(/thread \d+ fails/) }),
      });
    }));

  test("fails the reads beside it as unavailable, and several calls at once start one other", () =>
    withDyingStore(async (store) => {
      const scene = new Scene(store);
      const start = scene.start({ job: "die before" });
      const read = store.reads.find(newId());
      await expect(start).rejects.toMatchObject({ code: "STORE_OUTCOME_UNKNOWN" });
      await expect(read).rejects.toMatchObject({ code: "STORE_UNAVAILABLE", effect: "none" });
      const ids = [newId(), newId(), newId()];
      await Promise.all(ids.map((id) => scene.start({ id })));
      expect((await store.reads.countByStatus(scene.namespace)).ready).toBe(3);
    }));

  test("is not started anew on a file that is gone: SQLite would make an empty one", () =>
    withDyingStore(async (store, path) => {
      const scene = new Scene(store);
      await expect(scene.start({ job: "die before" })).rejects.toMatchObject({ code: "STORE_OUTCOME_UNKNOWN" });
      renameSync(path, `${path}.away`);
      await expect(scene.start()).rejects.toMatchObject({
        code: "STORE_UNAVAILABLE",
        message: expect.stringContaining("is gone"),
      });
      expect(existsSync(path)).toBe(false);
    }));
});

describe("a store in a thread", () => {
  test("answers what it was asked before it closed, then refuses, and opens again", () =>
    withFile(async (path) => {
      const store = sqlite(path, { thread: true });
      await store.open();
      const scene = new Scene(store);
      const starts = [1, 2, 3].map(() => scene.start());
      await store.close();
      await Promise.all(starts);
      await expect(scene.start()).rejects.toMatchObject({ code: "STORE_UNAVAILABLE" });
      await store.open();
      expect((await store.reads.countByStatus(scene.namespace)).ready).toBe(3);
      await store.close();
    }));

  test("that waits for another writer is told that it is closed", () =>
    withFile(async (path) => {
      const store = sqlite(path, { thread: true });
      await store.open();
      const holder = startProcess("hold", path);
      await holder.line();
      const start = new Scene(store).start();
      const refused = expect(start).rejects.toMatchObject({ code: "STORE_UNAVAILABLE" });
      await store.close();
      await refused;
      holder.tell();
      await holder.end();
    }));

  test("does not keep a process that forgets it, nor let one end before its answer", () =>
    withFile(async (path) => {
      const program = `
        import { sqlite } from ${JSON.stringify(new URL("../sqlite.ts", import.meta.url).href)};
        const store = sqlite(${JSON.stringify(path)}, { thread: true });
        await store.open();
        store.reads.countByStatus("any").then(({ ready }) => console.log("ready", ready));`;
      const { status, stdout, stderr } = spawnSync(
        process.execPath,
        ["--disable-warning=ExperimentalWarning", "--input-type=module", "--eval", program],
        { encoding: "utf8", timeout: 20_000, cwd: fileURLToPath(new URL(".", import.meta.url)) },
      );
      expect({ status, stdout, stderr }).toEqual({ status: 0, stdout: "ready 0\n", stderr: "" });
    }));
});

describe("a commit on the wire", () => {
  const scene = new Scene(sqlite(":memory:"), "ns");
  const lease = { executionId: newId(), token: 3 };
  const outcome = { result: Uint8Array.of(1, 2), error: null, undoneCount: 2 };

  test("arrives as it was sent, bytes and absent things included", () => {
    const shared = Uint8Array.of(9, 8, 7, 6, 5, 4);
    const starts: NewExecution[] = [
      scene.execution({ input: shared.subarray(2, 4), key: "A-1", attributes: { a: "b" }, timeoutMs: 5 }),
      scene.execution({ input: null, parent: newId(), concurrencyKey: "till", traceContext: "00-1" }),
      scene.execution({ input: new Uint8Array(0) }),
    ];
    const writes: Write[] = [
      { lease, direction: "forward", records: [record("a"), record("b", { body: null, actor: "user:ada" })] },
      {
        lease,
        direction: "forward",
        records: [],
        transition: { name: "complete", parent: null, holdsSlot: true, outcome },
      },
      { lease, direction: "back", records: [], transition: { name: "compensated", reason: "canceled" } },
      { lease, direction: "any", attempts: [failedAttempt("a")] },
      { lease, direction: "any", seenInbox: 2, transition: { name: "suspend", wakeInMs: null } },
      { lease, direction: "forward", children: [scene.execution()], progress: { fraction: 0.5, note: null } },
    ];
    const packed = packCommit(starts, writes);
    expect(packed.bytes.byteLength).toBe(packed.bytes.buffer.byteLength);
    expect(unpackCommit(structuredClone(packed))).toEqual({ starts, writes });
  });

  test("takes along what SQLite has to refuse, but for values longer than it takes", () => {
    const odd = { body: { a: 1 }, step: undefined, seq: Number.NaN, started: 2n ** 70n } as never;
    const write: Write = { lease, direction: "forward", records: [record("a", odd)] };
    expect(unpackCommit(structuredClone(packCommit([], [write])))).toEqual({ starts: [], writes: [write] });
    const large = { body: new Uint8Array(1_000_000_001) };
    expect(() => packCommit([], [{ ...write, records: [record("a", large)] }])).toThrow(StorePoisonError);
  });

  test("is answered element by element", () => {
    const starts = [scene.execution(), scene.execution(), scene.execution()];
    const [first, second, third] = starts.map(({ id }) => id) as [string, string, string];
    const writes: Write[] = [1, 2].map(() => ({ lease, direction: "forward" }));
    const done = { kind: "done", children: [] } as const;
    const told = {
      starts: [
        { kind: "started", id: first, round: 0, status: "running", token: 1, createdAt: 5, deadlineAt: null },
        { kind: "exists", id: newId(), round: 2, status: "completed", fingerprint: "f" },
        { kind: "started", id: third, round: 1, status: "ready", token: 0, createdAt: 6, deadlineAt: 7 },
      ],
      writes: [done, { kind: "refused", phase: "back", cancel: "canceled", inbox: 4 }],
    } as const;
    expect(second).toBeDefined();
    for (const each of [told, { ...told, writes: [done, done] }])
      expect(unpackOutcomes(structuredClone(packOutcomes(each)), starts, writes)).toEqual(each);
  });
});

describe("an error from the thread", () => {
  const cross = (error: unknown): Error => fromSent(structuredClone(toSent(error)));

  test("keeps its class, code, details and causes", () => {
    const cause = new StoreConflictError("busy", { path: "a.db" }, { cause: new Error("locked") });
    for (const error of [
      new InvariantError("found two", { step: "a" }, { cause }),
      new CatalogError("STORE_UNSUITABLE", "too old", { version: "3" }),
    ]) {
      const found = cross(error);
      expect(found).toBeInstanceOf(error.constructor);
      expect(isCodedError(found)).toBe(true);
      expect(found).toEqual(error);
      expect(found.stack).toBe(error.stack);
      expect(toSent(found)).toEqual(toSent(error));
    }
  });

  test("is an error whatever was thrown", () => {
    expect(cross("no words")).toEqual(new Error("no words"));
    expect(cross(undefined)).toBeInstanceOf(Error);
  });
});
