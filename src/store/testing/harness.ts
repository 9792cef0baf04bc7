// What a store's test hands to the suite, and what the suite hands to its parts.
import { test } from "vitest";
import type { JournalRow } from "../../core/journal.ts";
import type { Script } from "../../core/script.ts";
import type { Store } from "../../core/store.ts";
import { Scene } from "./scene.ts";

/** A transaction of the user's, on a connection of its own, held open as long as the test wants. */
export interface HeldTransaction {
  run<T>(script: Script<T>): Promise<T>;
  commit(): Promise<void>;
  rollback(): Promise<void>;
}

/** One database, migrated and open. The suite keeps to fresh namespaces, so one serves all of it. */
export interface StoreHarness {
  readonly store: Store;
  /** Another store on the same database, as a second process would have it; already open. The suite closes it. */
  second(): Promise<Store>;
  /** Needed unless `begin` is skipped. */
  begin?(): Promise<HeldTransaction>;
  /** Makes of a good row one that the database itself refuses (too large, a character it cannot hold). Needed unless `poison` is skipped. */
  poison?(row: JournalRow): JournalRow;
  close(): Promise<void>;
}

/** What a database may be unable to do. */
export type Ability = "second" | "begin" | "poison" | "push";

export interface StoreSetup {
  open(): Promise<StoreHarness>;
  /** Ability → why this database lacks it. Its tests are skipped, with the reason in their title. */
  readonly skip?: Readonly<Partial<Record<Ability, string>>>;
}

export interface Suite {
  readonly store: Store;
  readonly second: Store;
  begin(): Promise<HeldTransaction>;
  poison(row: JournalRow): JournalRow;
  /** A test in a namespace of its own. */
  test(name: string, run: (scene: Scene) => Promise<void>, needs?: Ability): void;
}

/** The harness exists only inside tests; until `begun`, reading it is a mistake in the suite. */
export function suiteOf(setup: StoreSetup): { readonly suite: Suite; begin(): Promise<void>; end(): Promise<void> } {
  let harness: StoreHarness | undefined;
  let other: Store | undefined;
  const opened = (): StoreHarness => {
    if (harness === undefined) throw new Error("Expected the store to be used inside a test, found it used outside");
    return harness;
  };
  const lacking = (ability: Ability): never => {
    throw new Error(`Expected the harness to have "${ability}", or a reason in skip.${ability}`);
  };
  const suite: Suite = {
    get store() {
      return opened().store;
    },
    get second() {
      return other ?? lacking("second");
    },
    begin: () => opened().begin?.() ?? lacking("begin"),
    poison: (row) => opened().poison?.(row) ?? lacking("poison"),
    test(name, run, needs) {
      const reason = needs === undefined ? undefined : setup.skip?.[needs];
      if (reason === undefined) test(name, () => run(new Scene(suite.store)));
      else test.skip(`${name} (${reason})`);
    },
  };
  return {
    suite,
    async begin() {
      harness = await setup.open();
      if (setup.skip?.second === undefined) other = await harness.second();
    },
    async end() {
      await other?.close();
      await harness?.close();
    },
  };
}
