// The contract of core/store.ts as tests. Every database passes the same ones:
//
//   testStore("sqlite, file", { open: async () => ({ store, second, begin, poison, close }) });
//
// What a database cannot do is skipped with a reason, which then stands in the test's title. Nothing here sleeps: leases
// are ended by a successor of the same name, and what the database's clock decides is asked again until it has decided.
import { afterAll, beforeAll, describe } from "vitest";
import { testChildren } from "./children.ts";
import { testClaims } from "./claims.ts";
import { testCommands } from "./commands.ts";
import { testExecutors } from "./executors.ts";
import { testFences } from "./fences.ts";
import { type StoreSetup, suiteOf } from "./harness.ts";
import { testModel } from "./model.ts";
import { testOwnTransactions } from "./own.ts";
import { testOwnership } from "./ownership.ts";
import { testReads } from "./reads.ts";
import { testRetention } from "./retention.ts";
import { testSchedules } from "./schedules.ts";
import { testSchema } from "./schema.ts";
import { testSettling } from "./settle.ts";
import { testSignals } from "./signals.ts";
import { testSlotDelays } from "./slot-delays.ts";
import { testSlots } from "./slots.ts";
import { testStarts } from "./starts.ts";
import { testTerminalRows } from "./terminal-rows.ts";
import { testTransitions } from "./transitions.ts";
import { testWaits } from "./waits.ts";
import { testWrites } from "./writes.ts";

export type { HeldTransaction } from "./harness.ts";

export function testStore(name: string, setup: StoreSetup): void {
  describe(`store conformance: ${name}`, () => {
    const { suite, begin, end } = suiteOf(setup);
    beforeAll(begin);
    afterAll(end);
    describe("starts", () => testStarts(suite));
    describe("writes", () => testWrites(suite));
    describe("fences", () => testFences(suite));
    describe("transitions", () => testTransitions(suite));
    describe("claims", () => testClaims(suite));
    describe("ownership", () => testOwnership(suite));
    describe("waits", () => testWaits(suite));
    describe("signals", () => testSignals(suite));
    describe("children", () => testChildren(suite));
    describe("slots", () => testSlots(suite));
    describe("slots and delays", () => testSlotDelays(suite));
    describe("commands", () => testCommands(suite));
    describe("settled by hand", () => testSettling(suite));
    describe("terminal rows", () => testTerminalRows(suite));
    describe("retention", () => testRetention(suite));
    describe("reads", () => testReads(suite));
    describe("schedules", () => testSchedules(suite));
    describe("executors and their runs", () => testExecutors(suite));
    describe("own transactions", () => testOwnTransactions(suite));
    describe("schema and announcements", () => testSchema(suite));
    describe("model", () => testModel(suite));
  });
}
