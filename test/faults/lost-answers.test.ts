/**
 * Between the engine and its server every kind of statement gets lost once: its request on the way there, or its reply on
 * the way back, when it was carried out and nobody hears of it. The client's error is the same for both. Also lost: replies
 * to COMMIT in each place, with a connection that ends and with one that stays silent.
 *
 * Faults F4, F7, F8, F9; guarantees G3, G4, G5, G6.
 */

import { type App, makegood } from "makegood";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { silentLog } from "../../src/core/ports.ts";
import { describeWithMariadb, describeWithPostgres } from "../services/describe.ts";
import { type LosingProxy, type Loss, startLosingProxy } from "./support/losing-proxy.ts";
import { mariadbPlaces, type NewPlace, postgresPlaces } from "./support/places.ts";
import { makePlots, type PlotName, plotNames } from "./support/plots.ts";
import { faultsIn, makeReport } from "./support/report.ts";
import { openWorld, type Place, type World } from "./support/world.ts";

const deadlineMs = 1_000;

describeWithPostgres("an execution whose database's answers get lost", (database) => {
  const newPlace = postgresPlaces(() => database.url);
  const live = liveThroughProxy(() => database.url, newPlace);
  testEachStatement(live);

  testLostCommits(live, {
    own: "makegood.seal_own",
    far: "INSERT INTO makegood.barrier",
    losses: ["reply", "hang", "request"],
  });

  it("repeats a flush whose reply never comes, and records once", async () => {
    let lost = 0;
    const isFlush = (sql: string): boolean => /^\s*WITH clock[\s\S]*INSERT INTO makegood\.journal/.test(sql);
    const { faults } = await live("buys", (sql) => (isFlush(sql) && ++lost <= 2 ? "hang" : "none"));
    expect(faults).toEqual([]);
    expect(lost).toBeGreaterThan(2);
  });
});

describeWithMariadb("an execution whose MariaDB's answers get lost", (database) => {
  const newPlace = mariadbPlaces(() => database.url);
  const live = liveThroughProxy(() => database.url, newPlace);
  testEachStatement(live);
  // mysql2 has no deadline for the statements of a user's own: of a connection that stays silent it hears when TCP gives up.
  testLostCommits(live, {
    own: "INSERT INTO makegood_journal (execution_id, step, role, kind",
    far: "INSERT IGNORE INTO makegood_barrier",
    losses: ["reply", "request"],
  });

  it.each(["reply", "hang", "request"] as const)(
    "repeats a flush whose COMMIT's %s is lost, and records once",
    async (loss) => {
      const lost: Loss[] = [];
      const decide = firstCommitAfter("INSERT INTO makegood_journal (execution_id, step, role, token", loss);
      const { faults } = await live("buys", (sql) => {
        const decision = decide(sql);
        if (decision !== "none") lost.push(decision);
        return decision;
      });
      expect(faults).toEqual([]);
      expect(lost).toEqual([loss]);
    },
  );
});

/** Loses the first COMMIT of a transaction in which the text was. */
const firstCommitAfter = (text: string, loss: Loss) => {
  let state: "before" | "there" | "over" = "before";
  return (sql: string): Loss => {
    if (state === "before" && sql.includes(text)) state = "there";
    else if (state === "there" && sql === "COMMIT") {
      state = "over";
      return loss;
    }
    return "none";
  };
};

type Live = ReturnType<typeof liveThroughProxy>;

/** `own`, `far`: what a transaction in the engine's own database, or in another, says before its COMMIT. */
function testLostCommits(
  live: Live,
  { own, far, losses }: { readonly own: string; readonly far: string; readonly losses: readonly Loss[] },
): void {
  const bodiesOf = (points: readonly string[], what: string): number =>
    points.filter((point) => point === `effect: ${what}: body begins`).length;

  it.each(losses)(
    "reads its own transaction back when the %s of its COMMIT is lost: it is there, or is repeated",
    async (loss) => {
      const { faults, points } = await live("buys", firstCommitAfter(own, loss));
      expect(faults).toEqual([]);
      expect(bodiesOf(points, "own stock")).toBe(loss === "request" ? 2 : 1);
      expect(points).toContain("store: after executions.readBack");
    },
  );

  it.each(losses)(
    "asks the barrier when the %s of a far COMMIT is lost: it answers, or the step is repeated",
    async (loss) => {
      const { faults, points } = await live("buys", firstCommitAfter(far, loss));
      expect(faults).toEqual([]);
      expect(bodiesOf(points, "far ledger")).toBe(loss === "request" ? 2 : 1);
      expect(points.filter((point) => point === "effect: far: before BEGIN").length).toBe(3);
    },
  );
}

function liveThroughProxy(url: () => string, newPlace: NewPlace) {
  let proxy: LosingProxy;
  beforeAll(async () => {
    proxy = await startLosingProxy(url());
  });
  afterAll(() => proxy.close());

  /** Runs a plot by way of the proxy, in a process that has begun to work when things begin to get lost. */
  async function live(
    plot: PlotName,
    decide: (sql: string) => Loss,
    through: (place: Place) => Place = all,
  ): Promise<{ readonly faults: readonly string[]; readonly points: readonly string[] }> {
    const points: string[] = [];
    const place = { ...newPlace(), deadlineMs };
    const world = await openWorld(through(place), (name) => void points.push(name));
    const plots = makePlots(world);
    const app = makegood({
      store: world.store,
      namespace: place.name,
      workerName: place.name,
      lease: "1s",
      poll: "20ms",
      log: silentLog,
    });
    app.register(...Object.values(plots));
    try {
      await app.run();
      proxy.decide = decide;
      const execution = await app.start(plots[plot], "1");
      await execution.outcome();
      proxy.decide = () => "none";
      return { faults: await faultsOf(app, world, execution.id, plot), points };
    } finally {
      proxy.decide = () => "none";
      await app.stop();
      await world.close();
    }
  }
  const all = (place: Place): Place => ({
    ...place,
    engine: proxy.through(place.engine),
    far: proxy.through(place.far),
  });
  return live;
}

/** A statement without its values: on MariaDB they are in its text. */
const formOf = (sql: string): string =>
  sql
    .replace(/\s+/g, " ")
    .replace(/(FROM_BASE64\()?x?'[^']*'\)?|\b-?\d+\b|\bNULL\b/g, "?")
    .replace(/\((\?,?)+\)(,\((\?,?)+\))*/g, "(?)");

function testEachStatement(live: Live): void {
  describe.each(["request", "reply"] as const)("(%s)", (loss) => {
    it.each(plotNames)(
      "has every effect once, or undone once, although each statement's is lost once (%s)",
      async (plot) => {
        const lost = new Set<string>();
        const { faults } = await live(plot, (sql) => {
          const text = formOf(sql);
          if (lost.has(text)) return "none";
          lost.add(text);
          return loss;
        });
        expect(faults).toEqual([]);
        // Claims, flushes, the participants' transactions, each from BEGIN to COMMIT.
        expect(lost.size).toBeGreaterThan(12);
      },
    );
  });
}

const faultsOf = async (app: App, world: World, executionId: string, plot: PlotName): Promise<readonly string[]> =>
  faultsIn(await makeReport(app, world, executionId), plot);
