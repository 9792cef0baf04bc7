import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { describe, expect, test } from "vitest";
import { only, record, Scene } from "../testing/scene.ts";
import { type SqliteOptions, sqlite } from "./sqlite.ts";
import { assertDurable, checkSqliteVersion } from "./suitability.ts";
import { startProcess, withFile } from "./testing/spawn.ts";

async function withStore(
  run: (store: ReturnType<typeof sqlite>, path: string) => Promise<void>,
  options?: SqliteOptions,
): Promise<void> {
  await withFile(async (path) => {
    const store = sqlite(path, options);
    await store.open();
    try {
      await run(store, path);
    } finally {
      await store.close();
    }
  });
}

describe("a store on SQLite", () => {
  test("opens nothing before it is opened, and nothing after it is closed", () =>
    withFile(async (path) => {
      const store = sqlite(path);
      expect(existsSync(path)).toBe(false);
      await expect(store.reads.find("00000000-0000-7000-8000-000000000000")).rejects.toMatchObject({
        code: "STORE_UNAVAILABLE",
      });
      expect(() => store.own.identity).toThrow("open it first");
      await store.open();
      await store.open();
      await store.close();
      await store.close();
      await expect(store.executions.commit([], [])).rejects.toMatchObject({
        code: "STORE_UNAVAILABLE",
        message: expect.stringContaining("closed"),
      });
    }));

  test("refuses paths that SQLite would read as something else, and options that are none", () => {
    for (const path of ["", "file:a.db?mode=memory", "a\0b"])
      expect(() => sqlite(path)).toThrow(expect.objectContaining({ code: "OPTION_INVALID" }));
    for (const options of [
      { busyTimeoutMs: 51 },
      { busyTimeoutMs: -1 },
      { conflictAfterMs: 1.5 },
      { busyTimeout: 5 },
      { thread: 1 },
      { thread: true, clock: Date },
    ] as unknown as SqliteOptions[])
      expect(() => sqlite("a.db", options)).toThrow(expect.objectContaining({ code: "OPTION_INVALID" }));
  });

  test("keeps its log in WAL mode, and flushes every commit", () =>
    withStore(async (_store, path) => {
      const database = new DatabaseSync(path);
      expect({ ...database.prepare("PRAGMA journal_mode").get() }).toEqual({ journal_mode: "wal" });
      database.close();
    }));

  test("refuses a connection that is not in WAL mode, or does not flush", () => {
    const database = new DatabaseSync(":memory:");
    expect(() => assertDurable(database, "a.db")).toThrow(
      expect.objectContaining({
        code: "STORE_UNSUITABLE",
        message: expect.stringMatching(/wal, found memory.*local disk/),
      }),
    );
    database.exec("PRAGMA synchronous = NORMAL");
    expect(() => assertDurable(database, ":memory:")).toThrow(
      expect.objectContaining({ code: "STORE_UNSUITABLE", message: expect.stringMatching(/FULL \(2\).*found 1/) }),
    );
    database.close();
  });

  test("refuses a SQLite that can corrupt its log, and says what to do", () => {
    for (const version of ["3.51.2", "3.46.1", "2.99.99", undefined])
      expect(() => checkSqliteVersion(version)).toThrow(
        expect.objectContaining({
          code: "STORE_UNSUITABLE",
          message: expect.stringMatching(/3\.51\.3 or newer.*Use Node 22\.23/),
        }),
      );
    for (const version of ["3.51.3", "3.52.0", "4.0.0", process.versions.sqlite]) checkSqliteVersion(version);
  });
});

describe("a file that cannot be used", () => {
  test("its folder is missing", () =>
    withFile(async (path) => {
      await expect(sqlite(join(path, "there", "engine.db")).open()).rejects.toMatchObject({
        code: "STORE_UNAVAILABLE",
        message: expect.stringMatching(/Expected the folder .*there.*Create it first/),
      });
    }));

  test("it is a folder", () =>
    withFile(async (path) => {
      mkdirSync(path);
      await expect(sqlite(path).open()).rejects.toMatchObject({
        code: "STORE_UNAVAILABLE",
        message: expect.stringContaining("found a folder"),
      });
    }));

  test("it is no database", () =>
    withFile(async (path) => {
      writeFileSync(path, "once upon a time ".repeat(1_000));
      await expect(sqlite(path).open()).rejects.toMatchObject({
        code: "STORE_UNSUITABLE",
        message: expect.stringContaining("no SQLite database"),
      });
    }));

  test("it is damaged", () =>
    withFile(async (path) => {
      const store = sqlite(path);
      await store.open();
      await new Scene(store, "ns").start();
      await store.close();
      writeFileSync(path, readFileSync(path).fill(0x5a, 4_096));
      const damaged = sqlite(path);
      const use = async (): Promise<unknown> => {
        await damaged.open();
        return damaged.reads.countByStatus("ns");
      };
      await expect(use()).rejects.toMatchObject({ code: "STORE_UNSUITABLE", retryable: false });
      await damaged.close();
    }));
});

describe("another process that writes", () => {
  test("is waited for without blocking this one", () =>
    withStore(async (store, path) => {
      const holder = startProcess("hold", path);
      expect(await holder.line()).toBe("held");
      let isDone = false;
      const start = new Scene(store).start().then((started) => {
        isDone = true;
        return started;
      });
      // The event loop goes round while the call waits: D4.
      for (let turn = 0; turn < 20; turn++) await new Promise((resume) => setTimeout(resume, 1));
      expect(isDone).toBe(false);
      expect(await store.reads.countByStatus("any")).toMatchObject({ ready: 0 });
      holder.tell();
      expect(await start).toMatchObject({ kind: "started" });
      expect(await holder.end()).toBe(0);
    }));

  test("is waited for only so long: then it is a conflict, and nothing happened", () =>
    withStore(
      async (store, path) => {
        const holder = startProcess("hold", path);
        await holder.line();
        const scene = new Scene(store);
        await expect(scene.start({ key: "A-1" })).rejects.toMatchObject({
          code: "STORE_CONFLICT",
          retryable: true,
          effect: "none",
        });
        holder.tell();
        await holder.end();
        expect(await store.reads.findByKey({ namespace: scene.namespace, job: "place-order", key: "A-1" })).toBeNull();
        await scene.start({ key: "A-1" });
      },
      { conflictAfterMs: 30, busyTimeoutMs: 0 },
    ));

  const verbs = ["start", "start in a thread"] as const;

  test("takes turns with others, and none of their commits is lost", () =>
    withStore(async (store, path) => {
      const scene = new Scene(store);
      const processes = [...verbs, verbs[0]].map((verb) => startProcess(verb, path, `${scene.namespace} 100`));
      for (let i = 0; i < 100; i++) await scene.start();
      expect(await Promise.all(processes.map((each) => each.end()))).toEqual([0, 0, 0]);
      expect((await store.reads.countByStatus(scene.namespace)).ready).toBe(700);
    }));

  test.each(verbs)(
    "and is killed by SIGKILL leaves all that it had acknowledged, and no half of a commit: %s",
    (verb) =>
      withStore(async (store, path) => {
        const scene = new Scene(store);
        for (let round = 1; round <= 3; round++) {
          const writer = startProcess(verb, path, scene.namespace);
          const acknowledged: string[] = [];
          for (let count = 0; count < 20 * round; count++)
            acknowledged.push(...((await writer.line()) ?? "").split(" "));
          writer.kill();
          expect(await writer.end()).toBe("SIGKILL");
          for (const id of acknowledged) expect(await store.reads.find(id)).not.toBeNull();
          expect((await store.reads.countByStatus(scene.namespace)).ready % 2).toBe(0);
        }
      }),
  );
});

describe("an I/O error", () => {
  // ulimit and signals are POSIX.
  test.skipIf(process.platform === "win32")(
    "ends with an unknown outcome if it came from COMMIT; what was acknowledged is there, and the store opens again (D2)",
    () =>
      withStore(async (store, path) => {
        const scene = new Scene(store);
        await store.close();
        const writer = startProcess("fill", path, scene.namespace, 4_096);
        const { acknowledged, code, unsure, again } = JSON.parse((await writer.line()) ?? "{}");
        expect(await writer.end()).toBe(0);
        expect(code).toBe("STORE_OUTCOME_UNKNOWN");
        await store.open();
        expect(acknowledged.length).toBeGreaterThan(5);
        for (const id of acknowledged) expect(await store.reads.find(id)).not.toBeNull();
        expect(again).toBe((await store.reads.find(unsure)) === null ? "absent" : "there");
        await scene.startAny({ id: unsure });
      }),
  );
});

describe("a value that SQLite refuses", () => {
  test("is poison, whatever the reason, and the next call is not affected", () =>
    withStore(async (store) => {
      const scene = new Scene(store);
      const lease = await scene.running(await scene.worker());
      const bad = [
        { state: "perhaps" },
        { role: "undo" },
        { seq: 1.5 },
        { seq: Number.NaN },
        { step: undefined },
        { body: { a: 1 } },
        { started: 2n ** 70n },
      ] as unknown as Parameters<typeof record>[1][];
      for (const given of bad)
        await expect(scene.record(lease, record("a", given))).rejects.toMatchObject({
          code: "STORE_POISON",
          retryable: false,
        });
      for (const id of ["", "A-1", "0198C0DE-0000-7000-8000-000000000000"])
        await expect(scene.start({ id })).rejects.toMatchObject({ code: "STORE_POISON" });
      await scene.done(scene.record(lease, record("a")));
      expect(only((await scene.load(lease.executionId)).journal)).toMatchObject({ step: "a" });
    }));
});
