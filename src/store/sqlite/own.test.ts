import { copyFileSync, symlinkSync } from "node:fs";
import { relative } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { describe, expect, test } from "vitest";
import { runScriptSync } from "../../core/script.ts";
import { sqlite } from "./sqlite.ts";
import { withFile } from "./testing/spawn.ts";

const { own } = sqlite(":memory:");

describe("the identity of a database", () => {
  test("is the same by whichever path a user's connection came to the file", () =>
    withFile(async (path) => {
      const store = sqlite(path);
      await store.open();
      symlinkSync(path, `${path}.link`);
      for (const way of [path, relative(process.cwd(), path), `${path}.link`])
        expect(identityThrough(way)).toBe(store.own.identity);
      await store.close();
    }));

  test("is another for a copy, though the copy holds the same id", () =>
    withFile(async (path) => {
      const store = sqlite(path);
      await store.open();
      await store.close();
      copyFileSync(path, `${path}.copy`);
      expect(identityThrough(`${path}.copy`)).not.toBe(store.own.identity);
      expect(identityThrough(`${path}.copy`)).not.toBeNull();
    }));

  test("is null where the engine's tables are absent", () => {
    expect(identityThrough(":memory:")).toBeNull();
  });
});

function identityThrough(path: string): string | null {
  const database = new DatabaseSync(path);
  try {
    return runScriptSync(own.identityScript(), ({ sql }) => database.prepare(sql).all());
  } finally {
    database.close();
  }
}
