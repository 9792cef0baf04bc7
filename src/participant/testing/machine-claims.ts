import { deepEqual, equal, ok, rejects } from "node:assert/strict";
import type { Guard, States } from "../../core/machine/spec.ts";
import type { Mode } from "../../core/participant.ts";
import type { Script } from "../../core/script.ts";
import type { Dialect } from "../../core/store.ts";
import { systemClock } from "../../system.ts";
import { stateMachine } from "../machine/machine.ts";
import type { HistoryEntry, Machine, MoveOptions, MoveResult } from "../machine/types.ts";
import { type ParticipantOptions, participant } from "../participant.ts";
import { andThen, BodyError, type Claim, codeOf, persist, type Scene } from "./scene.ts";
import { createTable, type TestTable } from "./table.ts";

const orderStates = {
  created: { on: { approve: "approved", cancel: "canceled", remind: "created" } },
  approved: {
    initial: "plain",
    onDone: "shipped",
    on: { cancel: "canceled" },
    states: {
      plain: { on: { process: "processing" } },
      processing: { on: { invoice: { to: "invoiced", guard: "isPaid" } } },
      invoiced: { final: true },
    },
  },
  shipped: { on: { deliver: "delivered" }, entry: (payload) => ({ note: `shipped by ${payload?.carrier}` }) },
  delivered: { final: true },
  canceled: { final: true },
} as const satisfies States;
const guards: Readonly<Record<string, Guard>> = {
  isPaid: (row, payload) => Number(row.amount) === 0 && payload?.invoice === true,
};

type Row = { readonly id: number; readonly state?: string; readonly version?: number };
type Any = Machine<States, unknown, Mode>;

interface Orders {
  readonly table: TestTable;
  readonly machine: Any;
  readonly send: (row: Row, event: string, options?: MoveOptions, from?: "other") => Promise<MoveResult<string>>;
  readonly move: (row: Row, event: string, options?: MoveOptions) => Promise<string>;
  readonly history: (id: number) => Promise<readonly HistoryEntry<string>[]>;
}

async function ordersOf(scene: Scene, options: object = {}): Promise<Orders> {
  const table = await createTable(scene);
  await table.insert(1, "created");
  const { adapter, otherAdapter } = scene.fixture;
  const name = `order_${table.name.slice(-8)}`;
  const make = (on: typeof adapter): Any =>
    stateMachine(participant("orders", on), name, {
      table: table.name,
      version: "revision",
      initial: "created",
      states: orderStates,
      guards,
      ...options,
    }) as unknown as Any;
  const [machine, otherMachine] = [make(adapter), make(otherAdapter)];
  return {
    table,
    machine,
    send: async (row, event, how, from) =>
      from === "other"
        ? otherAdapter.transaction((tx) => otherMachine.tryMove(tx, row as never, event as never, how) as never)
        : adapter.transaction((tx) => machine.tryMove(tx, row as never, event as never, how) as never),
    move: async (row, event, how) =>
      adapter.transaction((tx) => machine.move(tx, row as never, event as never, how) as never),
    history: async (id) => adapter.transaction((tx) => machine.history(tx, id) as never),
  };
}

/** The definition, worked out by hand: entering, inheriting and moving on included. */
const model: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  created: { approve: "approved.plain", cancel: "canceled", remind: "created" },
  "approved.plain": { process: "approved.processing", cancel: "canceled" },
  "approved.processing": { invoice: "shipped", cancel: "canceled" },
  shipped: { deliver: "delivered" },
};

/** What opens a transaction to changes that are no edges, and what shuts it again. */
function overrideOf(dialect: Dialect, machine: string): readonly [open: string, close: string] {
  switch (dialect) {
    case "postgres":
      return ["SET LOCAL makegood.machine_override = 'ticket 4711'", "SELECT 1"];
    case "mysql":
      return ["SET @makegood_machine_override = 'ticket 4711'", "SET @makegood_machine_override = NULL"];
    case "sqlite":
      return [
        `INSERT INTO makegood_machine_override (machine, reason) VALUES ('${machine}', 'ticket 4711')`,
        `DELETE FROM makegood_machine_override WHERE machine = '${machine}'`,
      ];
  }
}

function* allOf(statements: readonly string[]): Script<void> {
  for (const sql of statements) yield { sql, parameters: [] };
}

const historyOf = ({ port }: Scene): string =>
  port.dialect === "postgres" ? "makegood.machine_history" : "makegood_machine_history";

const brief = (lines: readonly HistoryEntry<string>[]): readonly string[] =>
  lines.map(({ outcome, event, from, to }) => `${outcome} ${event} ${from} → ${to}`);

export const machineClaims: readonly Claim[] = [
  {
    name: "machine: a move changes the row and writes who, when, why in one commit",
    async check(scene) {
      const { send, table, history } = await ordersOf(scene);
      const moved = await send({ id: 1, state: "created" }, "approve", { by: "ann", reason: "it's fine" });
      ok(moved.kind === "moved" && moved.to === "approved.plain", JSON.stringify(moved));
      const { state, revision } = await table.row(1);
      deepEqual([state, revision], ["approved.plain", 2]);
      const [line, ...others] = await history(1);
      equal(others.length, 0);
      const { seq, at, ...rest } = line ?? ({} as HistoryEntry<string>);
      deepEqual(rest, {
        outcome: "moved",
        event: "approve",
        from: "created",
        to: "approved.plain",
        eventId: null,
        by: "ann",
        reason: "it's fine",
      });
      equal(seq, moved.seq);
      ok(Math.abs(at.getTime() - systemClock.now()) < 60_000, `the database's clock says ${at.toISOString()}`);
    },
  },
  {
    name: "machine: a final sub-state moves the main state in the same update, with its entry data and what the call sets",
    async check(scene) {
      const { send, table, history } = await ordersOf(scene);
      await send({ id: 1, state: "created" }, "approve", { set: { amount: 0 } });
      await send({ id: 1, state: "approved.plain" }, "process");
      const payload = { invoice: true, carrier: "mule" };
      const result = await send({ id: 1, state: "approved.processing" }, "invoice", { payload });
      equal(result.kind === "moved" && result.to, "shipped");
      deepEqual(await table.row(1), { state: "shipped", revision: 4, amount: 0, note: "shipped by mule" });
      deepEqual(brief(await history(1)).at(-1), "moved invoice approved.processing → shipped");
    },
  },
  {
    name: "machine: illegal, stale and missing are told apart, and change nothing",
    async check(scene) {
      const { send, table, history } = await ordersOf(scene);
      deepEqual(await send({ id: 1, state: "created" }, "deliver"), {
        kind: "illegal",
        actual: "created",
        legal: ["approve", "cancel", "remind"],
      });
      deepEqual(await send({ id: 1, state: "shipped" }, "deliver"), { kind: "stale", actual: "created", version: 1 });
      deepEqual(await send({ id: 1, state: "created", version: 9 }, "approve"), {
        kind: "stale",
        actual: "created",
        version: 1,
      });
      deepEqual(await send({ id: 1, state: "canceled" }, "approve"), { kind: "stale", actual: "created", version: 1 });
      deepEqual(await send({ id: 2, state: "created" }, "approve"), { kind: "missing" });
      deepEqual(await send({ id: 2 }, "approve"), { kind: "missing" });
      deepEqual(await send({ id: 1 }, "no-such-event"), {
        kind: "illegal",
        actual: "created",
        legal: ["approve", "cancel", "remind"],
      });
      deepEqual([(await table.row(1)).revision, await history(1)], [1, []]);
    },
  },
  {
    name: "machine: without a state it moves from whatever state the row is in; with a version it demands that too",
    async check(scene) {
      const { send } = await ordersOf(scene);
      equal((await send({ id: 1 }, "approve")).kind, "moved");
      equal((await send({ id: 1, version: 1 }, "cancel")).kind, "stale");
      equal((await send({ id: 1, state: "approved.plain", version: 2 }, "cancel")).kind, "moved");
      equal((await send({ id: 1 }, "cancel")).kind, "illegal");
    },
  },
  {
    name: "machine: a guard is asked of the row as the database has it, and a refusal changes nothing",
    async check(scene) {
      const { send, table } = await ordersOf(scene);
      await send({ id: 1 }, "approve");
      await send({ id: 1 }, "process");
      const refused = { kind: "guarded", actual: "approved.processing", guard: "isPaid" };
      deepEqual(
        await send({ id: 1, state: "approved.processing" }, "invoice", { payload: { invoice: true } }),
        refused,
      );
      await table.run(`UPDATE ${table.name} SET amount = 0 WHERE id = 1`);
      deepEqual(await send({ id: 1, state: "approved.processing" }, "invoice"), refused);
      equal(
        (await send({ id: 1, state: "approved.processing" }, "invoice", { payload: { invoice: true } })).kind,
        "moved",
      );
    },
  },
  {
    name: "machine: an event that leaves the state as it is counts as a move",
    async check(scene) {
      const { send, table, history } = await ordersOf(scene);
      equal((await send({ id: 1, state: "created" }, "remind")).kind, "moved");
      deepEqual([(await table.row(1)).revision, brief(await history(1))], [2, ["moved remind created → created"]]);
    },
  },
  {
    name: "machine: without a version column it moves all the same",
    async check(scene) {
      const { send, table, history } = await ordersOf(scene, { version: undefined });
      equal((await send({ id: 1, state: "created", version: 9 }, "remind")).kind, "moved");
      equal((await send({ id: 1, state: "created" }, "approve")).kind, "moved");
      deepEqual(await send({ id: 1, state: "created" }, "approve"), {
        kind: "stale",
        actual: "approved.plain",
        version: null,
      });
      deepEqual([(await table.row(1)).revision, (await history(1)).length], [1, 2]);
    },
  },
  {
    name: "machine: move, state and history go with the transaction that is rolled back",
    async check(scene) {
      const { machine, table, history } = await ordersOf(scene);
      const { adapter } = scene.fixture;
      const failing = async (): Promise<unknown> =>
        adapter.transaction(
          (tx) =>
            andThen(machine.move(tx, { id: 1 }, "approve" as never, { eventId: "e1" }), () => {
              throw new BodyError("caller rolls back");
            }) as never,
        );
      await rejects(failing(), BodyError);
      deepEqual([(await table.row(1)).state, await history(1)], ["created", []]);
    },
  },
  {
    name: "machine: move answers the new state, and throws a coded error for each refusal",
    async check(scene) {
      const { move, table } = await ordersOf(scene);
      equal(await move({ id: 1, state: "created" }, "approve"), "approved.plain");
      const thrown = async (row: Row, event: string, options?: MoveOptions): Promise<unknown> => {
        try {
          await move(row, event, options);
        } catch (error) {
          const details = (error as { details: Readonly<Record<string, unknown>> }).details;
          return [codeOf(error), details["actual"] ?? details["table"]];
        }
        return "moved";
      };
      deepEqual(await thrown({ id: 1, state: "approved.plain" }, "deliver"), ["TRANSITION_ILLEGAL", "approved.plain"]);
      deepEqual(await thrown({ id: 1, state: "created" }, "approve"), ["STATE_STALE", "approved.plain"]);
      deepEqual(await thrown({ id: 2, state: "created" }, "approve"), ["ROW_MISSING", table.name]);
      await move({ id: 1 }, "process");
      deepEqual(await thrown({ id: 1 }, "invoice"), ["GUARD_REFUSED", "approved.processing"]);
      await table.run(`UPDATE ${table.name} SET state = 'lost' WHERE id = 1`);
      deepEqual(await thrown({ id: 1 }, "cancel"), ["STATE_UNKNOWN", undefined]);
    },
  },
  {
    name: "machine: a repeated event is a duplicate that says what its first delivery did, also when the state stays",
    async check(scene) {
      const { send, move, history } = await ordersOf(scene);
      for (const event of ["remind", "approve"]) {
        equal((await send({ id: 1 }, event, { eventId: `${event} 1` })).kind, "moved");
        const again = await send({ id: 1 }, event, { eventId: `${event} 1` }, "other");
        equal(again.kind === "duplicate" && again.first.outcome, "moved");
        equal(again.kind === "duplicate" && again.first.from, "created");
      }
      equal(await move({ id: 1, state: "created" }, "approve", { eventId: "approve 1" }), "approved.plain");
      equal((await history(1)).length, 2);
      await rejects(
        send({ id: 1 }, "cancel", { eventId: "approve 1" }),
        (error) => codeOf(error) === "EVENT_ID_REUSED",
      );
    },
  },
  {
    name: "machine: a refusal that is recorded is the event's fate: delivered again, it is a duplicate, though it would be legal by now",
    async check(scene) {
      const { send, move, history } = await ordersOf(scene, { refusals: "record" });
      const early = { eventId: "p1", by: "queue" };
      equal((await send({ id: 1 }, "process", early)).kind, "illegal");
      await send({ id: 1 }, "approve", { eventId: "a1" });
      const again = await send({ id: 1 }, "process", early);
      deepEqual(again.kind === "duplicate" && [again.first.outcome, again.first.from, again.first.to], [
        "illegal",
        "created",
        null,
      ]);
      await rejects(move({ id: 1 }, "process", early), (error) => codeOf(error) === "TRANSITION_ILLEGAL");
      equal((await send({ id: 1 }, "process", { eventId: "p2" })).kind, "moved");
      equal((await send({ id: 1 }, "invoice", { eventId: "i1" })).kind, "guarded");
      equal((await send({ id: 1 }, "invoice", { eventId: "i1", payload: { invoice: true } })).kind, "duplicate");
      deepEqual(brief(await history(1)), [
        "illegal process created → null",
        "moved approve created → approved.plain",
        "moved process approved.plain → approved.processing",
        "guarded invoice approved.processing → null",
      ]);
    },
  },
  {
    name: "machine: a refusal that is not recorded, and one that was stale, leave the event to be delivered again",
    async check(scene) {
      const { send } = await ordersOf(scene);
      equal((await send({ id: 1 }, "process", { eventId: "p1" })).kind, "illegal");
      equal((await send({ id: 1, state: "shipped" }, "approve", { eventId: "a1" })).kind, "stale");
      equal((await send({ id: 1 }, "approve", { eventId: "a1" })).kind, "moved");
      equal((await send({ id: 1 }, "process", { eventId: "p1" })).kind, "moved");
    },
  },
  {
    name: "machine: of twenty movers of one row at once, from two processes, one wins and the others learn that they are stale",
    async check(scene) {
      const { send, table, history } = await ordersOf(scene);
      const race = (at: number): Promise<MoveResult<string>> =>
        persist(() =>
          send({ id: 1, state: "created" }, at % 2 === 0 ? "approve" : "cancel", {}, at % 4 < 2 ? "other" : undefined),
        );
      const kinds = (await Promise.all(Array.from({ length: 20 }, (_, at) => race(at)))).map(({ kind }) => kind);
      equal(kinds.filter((kind) => kind === "moved").length, 1, kinds.join());
      equal(kinds.filter((kind) => kind === "stale").length, 19, kinds.join());
      deepEqual([(await table.row(1)).revision, (await history(1)).length], [2, 1]);
    },
  },
  {
    name: "machine: events delivered twice to many rows, from two processes at once, are taken once each",
    async check(scene) {
      const { send, table, history } = await ordersOf(scene, { refusals: "record" });
      const ids = [1, 2, 3, 4];
      for (const id of ids.slice(1)) await table.insert(id, "created");
      const deliveries = ids.flatMap((id) =>
        ["remind", "approve", "process", "cancel", "deliver"].flatMap((event) => [
          [id, event] as const,
          [id, event] as const,
        ]),
      );
      const results = await Promise.all(
        deliveries.map(([id, event], at) =>
          persist(() => send({ id }, event, { eventId: event }, at % 2 === 0 ? "other" : undefined)),
        ),
      );
      for (const id of ids) {
        const mine = results.filter((_, at) => deliveries[at]?.[0] === id);
        equal(mine.filter(({ kind }) => kind === "duplicate").length, 5, JSON.stringify(mine));
        const lines = await history(id);
        deepEqual([...new Set(lines.map(({ eventId }) => eventId))].length, lines.length);
        equal(lines.length, 5);
        // Each move begins where the one before it ended, and the row is where the last one ended.
        let at: string | null = "created";
        for (const line of lines.filter(({ outcome }) => outcome === "moved")) {
          equal(line.from, at);
          at = line.to;
        }
        equal((await table.row(id)).state, at);
      }
    },
  },
  {
    name: "machine: check counts rows in unknown states, and migrateRows moves them in batches, or nothing if one has no mapping",
    async check(scene) {
      const { machine, table, history, send } = await ordersOf(scene);
      for (let id = 2; id <= 8; id++) await table.insert(id, id < 6 ? "old" : "older");
      await machine.installTrigger();
      const { adapter } = scene.fixture;
      const check = async (): Promise<unknown> => adapter.transaction((tx) => machine.check(tx) as never);
      deepEqual(await check(), {
        rowCount: 8,
        unknown: [
          { state: "old", count: 4 },
          { state: "older", count: 3 },
        ],
      });
      await rejects(machine.migrateRows({ old: "approved" as never }), (error) => codeOf(error) === "STATE_UNMAPPED");
      await rejects(machine.migrateRows({ old: "nowhere" as never, older: "created" }), { code: "OPTION_INVALID" });
      await rejects(machine.migrateRows({ old: "created", older: "old" as never }), { code: "OPTION_INVALID" });
      equal((await table.row(2)).state, "old");
      const map = { old: "approved", older: "created" } as never;
      equal(await machine.migrateRows(map, { batch: 2, by: "ann", reason: "version 2" }), 7);
      equal(await machine.migrateRows(map), 0);
      deepEqual(await check(), { rowCount: 8, unknown: [] });
      const [line] = await history(2);
      deepEqual(
        [line?.outcome, line?.from, line?.to, line?.by, line?.reason],
        ["migrated", "old", "approved.plain", "ann", "version 2"],
      );
      equal((await table.row(2)).revision, 2);
      equal((await send({ id: 2 }, "process")).kind, "moved");
    },
  },
  {
    name: "machine: pruneHistory takes the old lines of each row but its last move, in batches, and of this machine only",
    async check(scene) {
      const { machine, table, history, send } = await ordersOf(scene, { refusals: "record" });
      const other = await ordersOf(scene);
      await table.insert(2, "created");
      await send({ id: 1 }, "remind", { eventId: "r1" });
      for (const id of [1, 2]) {
        await send({ id }, "approve", { eventId: "a1" });
        await send({ id }, "deliver", { eventId: "d1" });
      }
      for (const event of ["approve", "process"]) await other.send({ id: 1 }, event);
      equal(await machine.pruneHistory({ keep: "1m", batch: 1 }), 0);
      await table.run(`UPDATE ${historyOf(scene)} SET at = at - 61000`);
      await send({ id: 2 }, "process");
      // Of row 1 the first line. Of row 2 all but the line that is young, in pages that end in the middle of a row.
      equal(await machine.pruneHistory({ keep: "1m", batch: 2 }), 3);
      equal(await machine.pruneHistory({ keep: "1m" }), 0);
      deepEqual(brief(await history(1)), [
        "moved approve created → approved.plain",
        "illegal deliver approved.plain → null",
      ]);
      deepEqual(brief(await history(2)), ["moved process approved.plain → approved.processing"]);
      equal((await other.history(1)).length, 2);
      // What is there is still known, what is not is new again.
      equal((await send({ id: 1 }, "deliver", { eventId: "d1" })).kind, "duplicate");
      equal((await send({ id: 1 }, "cancel", { eventId: "r1" })).kind, "moved");
    },
  },
  {
    name: "machine: pruneHistory loses no last line beside movers and beside itself, and stops when it is told to",
    async check(scene) {
      const { machine, table, history, send } = await ordersOf(scene);
      const ids = Array.from({ length: 12 }, (_, at) => at + 2);
      for (const id of ids) await table.insert(id, "created");
      for (let round = 0; round < 4; round++) for (const id of ids) await send({ id }, "remind", {});
      await table.run(`UPDATE ${historyOf(scene)} SET at = at - 61000`);
      equal(await machine.pruneHistory({ keep: "1m", signal: AbortSignal.abort() }), 0);
      const [pruned, again] = await Promise.all([
        machine.pruneHistory({ keep: "1m", batch: 5 }),
        machine.pruneHistory({ keep: "1m", batch: 7 }),
        ...ids.map((id) => persist(() => send({ id }, "approve", {}, "other"))),
      ]);
      const rest = pruned + again + (await machine.pruneHistory({ keep: "1m" }));
      equal(rest, ids.length * 4);
      for (const id of ids) deepEqual(brief(await history(id)), ["moved approve created → approved.plain"]);
    },
  },
  {
    name: "machine: pruneHistory refuses what is no time to keep, and says PARTICIPANT_NOT_MIGRATED without makegood's tables",
    async check(scene) {
      const { machine } = await ordersOf(scene);
      const wrong = [
        undefined,
        {},
        { keep: "59s" },
        { keep: "11 years" },
        { keep: "1d", batch: 0 },
        { keep: "1d", n: 1 },
      ];
      for (const options of wrong)
        await rejects(machine.pruneHistory(options as never), { code: "OPTION_INVALID" }, JSON.stringify(options));
      const stock = participant("stock", scene.fixture.emptyAdapter);
      const states = { a: { on: { go: "b" } }, b: { final: true } } as const;
      const without = stateMachine(stock, "order", { table: "orders", initial: "a", states });
      await rejects(without.pruneHistory({ keep: "1d" }), (error) => codeOf(error) === "PARTICIPANT_NOT_MIGRATED");
    },
  },
  {
    name: "machine: the trigger refuses what is no edge, whatever client asks, and lets pass what is one",
    async check(scene) {
      const { machine, table, send, history } = await ordersOf(scene);
      await machine.installTrigger();
      await machine.installTrigger();
      const set = (state: string): Promise<unknown> =>
        table.run(`UPDATE ${table.name} SET state = ${state} WHERE id = 1`);
      for (const state of [
        "'shipped'",
        "'Approved.plain'",
        "'approved.plain '",
        "'canceled''; --'",
        "'approved'",
        "''",
      ])
        await rejects(set(state), /no event leads from/, state);
      await rejects(table.insert(2, "shipped"), /a row begins in state created/);
      await rejects(table.insert(2, "Created"), /a row begins in state created/);
      await table.insert(2, "created");
      equal((await send({ id: 1 }, "approve")).kind, "moved");
      await set("'approved.plain'");
      await set("'canceled'");
      await table.run(`UPDATE ${table.name} SET amount = 7 WHERE id = 1`);
      await rejects(set("'created'"), /no event leads from/);
      deepEqual([(await table.row(1)).state, (await history(1)).length], ["canceled", 1]);
      for (const statement of machine.dropTriggerSql()) await table.run(statement);
      await set("'created'");
    },
  },
  {
    name: "machine: an administrator passes the trigger with a reason, which the history bears",
    async check(scene) {
      const { machine, table, history } = await ordersOf(scene);
      await machine.installTrigger();
      const [open, close] = overrideOf(scene.port.dialect, machine.name);
      await scene.port.ask(
        allOf([
          open,
          `UPDATE ${table.name} SET state = 'shipped' WHERE id = 1`,
          `INSERT INTO ${table.name} (id, state) VALUES (2, 'delivered')`,
          close,
        ]),
      );
      await rejects(table.run(`UPDATE ${table.name} SET state = 'created' WHERE id = 1`), /no event leads from/);
      for (const [id, from, to] of [
        [1, "created", "shipped"],
        [2, null, "delivered"],
      ] as const) {
        const [line] = await history(id);
        deepEqual([line?.outcome, line?.from, line?.to, line?.reason], ["override", from, to, "ticket 4711"]);
      }
    },
  },
  {
    name: "machine: any events in any order leave row and history as the definition says",
    async check(scene) {
      const { send, table, history, machine } = await ordersOf(scene);
      await machine.installTrigger();
      await table.run(`UPDATE ${table.name} SET amount = 0`);
      const payload = { invoice: true };
      const events = ["approve", "cancel", "remind", "process", "invoice", "deliver"];
      // A sequence that visits much, fixed so that a failure repeats: Knuth's linear congruential numbers.
      let chance = 4711;
      for (let id = 2; id <= 9; id++) {
        await table.insert(id, "created");
        await table.run(`UPDATE ${table.name} SET amount = 0 WHERE id = ${id}`);
        let at = "created";
        const lines: string[] = [];
        for (let step = 0; step < 8; step++) {
          chance = (chance * 1_103_515_245 + 12_345) % 2 ** 31;
          const event = events[Math.floor(chance / 65_536) % events.length] ?? "";
          const to = model[at]?.[event];
          const seen = chance % 3 === 0 ? { id } : { id, state: at };
          const result = await send(seen, event, { payload });
          equal(result.kind, to === undefined ? "illegal" : "moved", `${at} ${event}`);
          if (to === undefined) continue;
          lines.push(`moved ${event} ${at} → ${to}`);
          at = to;
        }
        deepEqual([(await table.row(id)).state, brief(await history(id))], [at, lines]);
      }
    },
  },
  {
    name: "machine: without makegood's tables it says PARTICIPANT_NOT_MIGRATED; a missing table of the user's names itself",
    async check(scene) {
      const { emptyAdapter } = scene.fixture;
      const stock = participant("stock", emptyAdapter, {} satisfies ParticipantOptions);
      const table = await createTable({ ...scene, port: stock.port } as Scene);
      await table.insert(1, "created");
      const attempt = async (name: string): Promise<unknown> => {
        const machine = stateMachine(stock, "order", { table: name, initial: "created", states: orderStates, guards });
        return emptyAdapter.transaction((tx) => machine.tryMove(tx, { id: 1, state: "created" }, "approve") as never);
      };
      await rejects(attempt(table.name), (error) => codeOf(error) === "PARTICIPANT_NOT_MIGRATED");
      await rejects(
        attempt("no_such_table"),
        (error) => !/NOT_MIGRATED/.test(String((error as { code?: unknown }).code)),
      );
    },
  },
];
