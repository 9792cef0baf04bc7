import { deepEqual, equal, rejects } from "node:assert/strict";
import type { AlreadyUpdated, Answer, Mode, VersionedChange, VersionedUpdate } from "../../core/participant.ts";
import { participant } from "../participant.ts";
import { andThen, BodyError, type Claim, codeOf, persist, type Scene } from "./scene.ts";
import { createTable, type TestTable } from "./table.ts";

type Update = VersionedUpdate | AlreadyUpdated;

const columns = { version: "revision" };

/** One update in a transaction of its own; `from`: by which of the two processes. */
async function update(
  { fixture }: Scene,
  table: TestTable,
  change: Partial<VersionedChange>,
  from: "adapter" | "otherAdapter" = "adapter",
): Promise<Update> {
  const adapter = fixture[from];
  const on = participant("orders", adapter);
  const whole = { table: table.name, id: 1, version: 1, set: {}, columns, ...change };
  return adapter.transaction(
    (tx) => on.updateVersioned(tx, whole as VersionedChange & { key: string }) as Answer<Mode, Update>,
  ) as Promise<Update>;
}

/** To be tried again, after reading again. */
class StaleError extends Error {}

async function prepared(scene: Scene): Promise<TestTable> {
  const table = await createTable(scene);
  await table.insert(1, "open");
  return table;
}

export const versionedClaims: readonly Claim[] = [
  {
    name: "updateVersioned: 100 − 50 − 30 by two who both read 100 is 20, and not what the second one wrote",
    async check(scene) {
      const table = await prepared(scene);
      const [first, second] = [await table.row(1), await table.row(1)];
      deepEqual(await update(scene, table, { version: first.revision, set: { amount: first.amount - 50 } }), {
        kind: "updated",
        version: 2,
      });
      const late = await update(
        scene,
        table,
        { version: second.revision, set: { amount: second.amount - 30 } },
        "otherAdapter",
      );
      deepEqual(late, { kind: "stale", version: 2 });
      const again = await table.row(1);
      deepEqual(await update(scene, table, { version: again.revision, set: { amount: again.amount - 30 } }), {
        kind: "updated",
        version: 3,
      });
      equal((await table.row(1)).amount, 20);
    },
  },
  {
    name: "updateVersioned: a repeated intent is told already, though it read the row again and another has written since",
    async check(scene) {
      const table = await prepared(scene);
      const key = "withdrawal 1";
      deepEqual(await update(scene, table, { key, set: { amount: 50 } }), { kind: "updated", version: 2 });
      deepEqual(await update(scene, table, { key, set: { amount: 50 } }), { kind: "already", version: 2 });
      deepEqual(await update(scene, table, { key, version: 2, set: { amount: 0 } }, "otherAdapter"), {
        kind: "already",
        version: 2,
      });
      await update(scene, table, { key: "withdrawal 2", version: 2, set: { amount: 20 } });
      deepEqual(await update(scene, table, { key, version: 3, set: { amount: -30 } }), { kind: "already", version: 2 });
      deepEqual(await update(scene, table, { key: "Withdrawal 1", version: 1, set: { amount: 7 } }), {
        kind: "stale",
        version: 3,
      });
      equal((await table.row(1)).amount, 20);
    },
  },
  {
    name: "updateVersioned: a stale intent leaves no record, so that it can be carried out after reading again",
    async check(scene) {
      const table = await prepared(scene);
      await update(scene, table, { set: { amount: 50 } });
      const key = "withdrawal 3";
      deepEqual(await update(scene, table, { key, set: { amount: 70 } }), { kind: "stale", version: 2 });
      deepEqual(await update(scene, table, { key, version: 2, set: { amount: 20 } }), { kind: "updated", version: 3 });
    },
  },
  {
    name: "updateVersioned: a missing row is told apart, and nothing is written",
    async check(scene) {
      const table = await prepared(scene);
      deepEqual(await update(scene, table, { id: 2, set: { amount: 1 } }), { kind: "missing" });
      deepEqual(await update(scene, table, { id: 2, key: "k", set: { amount: 1 } }), { kind: "missing" });
    },
  },
  {
    name: "updateVersioned: writes several columns, null among them, and raises the version where nothing else changes",
    async check(scene) {
      const table = await prepared(scene);
      await update(scene, table, { set: { note: 'it\'s "quoted"', amount: 5, state: "shut" } });
      deepEqual(await table.row(1), { state: "shut", revision: 2, amount: 5, note: 'it\'s "quoted"' });
      await update(scene, table, { version: 2, set: { note: null } });
      deepEqual(await update(scene, table, { version: 3, set: {} }), { kind: "updated", version: 4 });
      deepEqual(await table.row(1), { state: "shut", revision: 4, amount: 5, note: null });
    },
  },
  {
    name: "updateVersioned: change and record go with the transaction that is rolled back",
    async check(scene) {
      const table = await prepared(scene);
      const { adapter } = scene.fixture;
      const change = { table: table.name, id: 1, version: 1, set: { amount: 1 }, columns, key: "k" };
      const failing = async (): Promise<unknown> =>
        adapter.transaction(
          (tx) =>
            andThen(scene.orders.updateVersioned(tx, change), () => {
              throw new BodyError("caller rolls back");
            }) as never,
        );
      await rejects(failing(), BodyError);
      equal((await table.row(1)).amount, 100);
      equal((await update(scene, table, { key: "k", set: { amount: 2 } })).kind, "updated");
    },
  },
  {
    name: "updateVersioned: of twenty at once, from two processes, one writes for each version and none is lost",
    async check(scene) {
      const table = await prepared(scene);
      const withdraw = async (at: number): Promise<void> => {
        const { revision, amount } = await table.row(1);
        const change = { version: revision, set: { amount: amount - 1 }, ...(at % 4 < 2 ? { key: `w${at}` } : {}) };
        const { kind } = await update(scene, table, change, at % 2 === 0 ? "adapter" : "otherAdapter");
        if (kind === "stale") throw new StaleError();
      };
      await Promise.all(Array.from({ length: 20 }, (_, at) => persist(() => withdraw(at))));
      const row = await table.row(1);
      deepEqual([row.amount, row.revision], [80, 21]);
    },
  },
  {
    name: "updateVersioned: of twenty at once with one intent, one writes and the others are told already",
    async check(scene) {
      const table = await prepared(scene);
      const attempt = async (at: number): Promise<string> => {
        const { revision, amount } = await table.row(1);
        const change = { version: revision, set: { amount: amount - 50 }, key: "one" };
        const { kind } = await update(scene, table, change, at % 2 === 0 ? "adapter" : "otherAdapter");
        if (kind === "stale") throw new StaleError();
        return kind;
      };
      const kinds = await Promise.all(Array.from({ length: 20 }, (_, at) => persist(() => attempt(at))));
      equal(kinds.filter((kind) => kind === "updated").length, 1);
      equal(kinds.filter((kind) => kind === "already").length, 19);
      equal((await table.row(1)).amount, 50);
    },
  },
  {
    name: "updateVersioned: without makegood's tables only a key says PARTICIPANT_NOT_MIGRATED; a missing table of the user's names itself",
    async check(scene) {
      const { emptyAdapter } = scene.fixture;
      const stock = participant("stock", emptyAdapter);
      const away = { ...scene, port: stock.port } as Scene;
      const table = await prepared(away);
      const here = async (change: object): Promise<unknown> =>
        emptyAdapter.transaction((tx) =>
          stock.updateVersioned(tx, { table: table.name, id: 1, version: 1, set: {}, columns, ...change } as never),
        );
      deepEqual(await here({}), { kind: "updated", version: 2 });
      await rejects(here({ version: 2, key: "k" }), (error) => codeOf(error) === "PARTICIPANT_NOT_MIGRATED");
      await rejects(
        here({ table: "no_such_table", key: "k" }),
        (error) => !("code" in (error as object)) || (error as { code: unknown }).code !== "PARTICIPANT_NOT_MIGRATED",
      );
    },
  },
];
