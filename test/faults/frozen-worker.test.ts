/**
 * A worker process is stopped by SIGSTOP in the middle of a step, for longer than its lease; another one takes over and
 * goes on; then the first one is revived by SIGCONT and does what it was about to do. Its writes are refused, its effects
 * are not doubled, and it lives and works on.
 *
 * Faults F6, F28; guarantees G3, G4, G5, G6, G7.
 */

import { type App, makegood } from "makegood";
import { expect, it, vi } from "vitest";
import { describeWorlds } from "./support/places.ts";
import { expected, makePlots, type PlotName } from "./support/plots.ts";
import type { Spot } from "./support/points.ts";
import { makeNursery } from "./support/processes.ts";
import { makeReport, type Report } from "./support/report.ts";
import type { WorkerArguments } from "./support/worker-child.ts";
import { openWorld, type Place, type World } from "./support/world.ts";

const leaseMs = 1_000;
const at = (name: string, occurrence = 1): Spot => ({ name, occurrence });

interface Case {
  readonly title: string;
  readonly plot: PlotName;
  readonly freezeAt: Spot;
  /** Only there. */
  readonly on?: readonly Place["kind"][];
  /** The frozen one holds what the other one needs to go on, or (`all`) even to begin: it is revived before that. */
  readonly holds?: "step" | "all";
  /** A person cancels while it is frozen; what there is then. */
  readonly canceled?: readonly string[];
  /** The server ends the frozen transaction after so long. */
  readonly maxIdleMs?: number;
}

const cases: readonly Case[] = [
  // The first BEGIN in each place asks which database it is.
  { title: "before its own transaction", plot: "buys", freezeAt: at("effect: own: before BEGIN", 2) },
  {
    title: "in its own transaction",
    plot: "buys",
    on: ["postgres", "mariadb"],
    freezeAt: at("effect: own stock: body returns"),
  },
  {
    title: "in its own transaction, on which it holds everybody up",
    plot: "buys",
    on: ["sqlite"],
    freezeAt: at("effect: own stock: body returns"),
    holds: "all",
  },
  { title: "before a far transaction", plot: "buys", freezeAt: at("effect: far: before BEGIN", 2) },
  {
    title: "in a far transaction, on which the other one waits",
    plot: "buys",
    freezeAt: at("effect: far ledger: body returns"),
    holds: "step",
  },
  {
    title: "in a far transaction that the server ends",
    plot: "buys",
    on: ["postgres", "mariadb"],
    freezeAt: at("effect: far ledger: body returns"),
    maxIdleMs: 700,
  },
  { title: "after a far transaction's COMMIT", plot: "buys", freezeAt: at("effect: far: after COMMIT", 2) },
  { title: "before a call", plot: "buys", freezeAt: at("effect: remote charge: before the call") },
  { title: "after a call", plot: "buys", freezeAt: at("effect: remote charge: after the call") },
  { title: "before a call behind the pivot", plot: "buys", freezeAt: at("effect: remote award: before the call") },
  { title: "before an undo in its own database", plot: "refused", freezeAt: at("effect: own: before BEGIN", 3) },
  { title: "before a far undo", plot: "refused", freezeAt: at("effect: far: before BEGIN", 3) },
  { title: "before a call that undoes", plot: "refused", freezeAt: at("effect: remote undo charge: before the call") },
  { title: "before a confirmation", plot: "confirms", freezeAt: at("effect: remote confirm car: before the call") },
  { title: "before a far confirmation", plot: "confirms", freezeAt: at("effect: far: before BEGIN", 3) },
  {
    title: "before a call that is canceled meanwhile",
    plot: "buys",
    freezeAt: at("effect: remote charge: before the call"),
    canceled: ["own stock", "far ledger", "far undo ledger", "own undo stock"],
  },
  {
    title: "before a far transaction that is canceled meanwhile",
    plot: "buys",
    freezeAt: at("effect: far: before BEGIN", 2),
    canceled: ["own stock", "own undo stock"],
  },
  {
    title: "before a call that reserves, and is canceled meanwhile",
    plot: "confirms",
    freezeAt: at("effect: remote car: before the call"),
    canceled: ["own seat", "far room", "far cancel room", "own cancel seat"],
  },
  {
    title: "before a far reservation that is canceled meanwhile",
    plot: "confirms",
    freezeAt: at("effect: far: before BEGIN", 2),
    canceled: ["own seat", "own cancel seat"],
  },
];

const before = (
  title: string,
  plot: PlotName,
  freezeAt: Spot,
  otherAt?: Spot,
): Pick<Case, "title" | "plot" | "freezeAt"> & { readonly otherAt?: Spot } => ({
  title,
  plot,
  freezeAt,
  ...(otherAt && { otherAt }),
});
const commitOf = (what: string): Spot => at(`store: before commit of ${what}`);

const sameplace = [
  before("in its own transaction", "buys", at("effect: own: before BEGIN", 2)),
  // The other one has not asked before which database it is.
  before(
    "in the undo of its own transaction",
    "refused",
    at("effect: own: before BEGIN", 3),
    at("effect: own: before BEGIN", 2),
  ),
  before("as the record of a far transaction", "buys", commitOf("ledger action")),
  before("as the record of a call", "buys", commitOf("charge action")),
  before("as the record of a call that the function has heard of", "hurries", commitOf("charge action")),
  before("as the last record with the end", "hurries", commitOf("award action + complete")),
  before("as the record of an undo", "refused", commitOf("charge compensation")),
  before("as the pivot", "buys", commitOf(":pivot action + pivot")),
  before("as the end", "buys", commitOf("complete")),
  before("as the turn", "fails", commitOf(":turn action + turn-back")),
  before("as the decision to confirm", "confirms", commitOf("confirm")),
  before("as the record of a confirmation", "confirms", commitOf("room confirm")),
  before("as the record of the last confirmation, with the end", "confirms", commitOf("car confirm + complete")),
  before("as the end of the way back", "refused", commitOf("compensated")),
];

describeWorlds("a worker that is frozen past its lease", (newPlace, kind) => {
  const { start } = makeNursery<WorkerArguments>("./worker-child.ts");

  it.concurrent.each(cases.filter(({ on = [kind] }) => on.includes(kind)))(
    "$title does no harm when it is revived",
    async (one) => {
      const place = newPlace(one.maxIdleMs === undefined ? {} : { maxIdleMs: one.maxIdleMs });
      const world = await openWorld(place);
      const app = makegood({ store: world.store, namespace: place.name });
      const plots = makePlots(world);
      app.register(...Object.values(plots));
      try {
        const frozen = start({ place, name: "frozen", leaseMs, freezeAt: one.freezeAt });
        await frozen.said("ready");
        const execution = await app.start(plots[one.plot], "1");
        await frozen.said("frozen");
        if (one.canceled !== undefined) await app.cancel(execution.id);
        const other = start({ place, name: "other", leaseMs });
        if (one.holds === "all") await leaseIsOut();
        else if (one.holds === "step") await isTakenOver(app, execution.id);
        else await execution.outcome();
        frozen.kill("SIGCONT");
        await frozen.said("revived");
        await execution.outcome();
        // From here only the revived one is left to do the work, and it does.
        other.kill("SIGKILL");
        await other.exit;
        const second = await app.start(plots.buys, "2");
        expect((await second.outcome()).state).toBe("completed");
        if (one.holds !== "all") await isTakenOver(app, execution.id);
        const report = await makeReport(app, world, execution.id);
        expect(report).toMatchObject({ unfinished: 0, incidents: [] });
        expect(report.state).toBe(one.canceled === undefined ? expected[one.plot].state : "canceled");
        expect(effectsOf(report)).toEqual([...(one.canceled ?? expected[one.plot].effects), ...expected.buys.effects]);
        expect(frozen.hasExited()).toBe(false);
      } finally {
        await app.stop();
        await world.close();
      }
    },
    120_000,
  );

  // Where the other one has finished, its status alone refuses the late writes. Here it stands at the very same place, so
  // that only the token is left to tell them apart.
  it.concurrent.each(sameplace)(
    "gets nothing written $title, where the one that took over stands, too",
    async (one) => {
      const place = newPlace();
      const world = await openWorld(place);
      const app = makegood({ store: world.store, namespace: place.name });
      const plots = makePlots(world);
      app.register(...Object.values(plots));
      try {
        const frozen = start({ place, name: "frozen", leaseMs, freezeAt: one.freezeAt });
        await frozen.said("ready");
        const execution = await app.start(plots[one.plot], "1");
        await frozen.said("frozen");
        // Of the same name it takes over at once; its lease is long, so that nobody takes over from it.
        const other = start({ place, name: "frozen", leaseMs: 60_000, freezeAt: one.otherAt ?? one.freezeAt });
        await other.said("frozen");
        const before = await written(app, world, execution.id);
        frozen.kill("SIGCONT");
        await frozen.said("revived");
        const second = await app.start(plots.buys, "2");
        expect((await second.outcome()).state).toBe("completed");
        expect(await written(app, world, execution.id)).toEqual(before);
        other.kill("SIGCONT");
        expect((await execution.outcome()).state).toBe(expected[one.plot].state);
        expect([...effectsOf(await makeReport(app, world, execution.id))].sort()).toEqual(
          [...expected[one.plot].effects, ...expected.buys.effects].sort(),
        );
        expect(await app.incidents()).toEqual([]);
      } finally {
        await app.stop();
        await world.close();
      }
    },
    120_000,
  );
});

/** What only the owner may write: the guard row, the journal, and effects in the engine's own database. */
async function written(app: App, world: World, executionId: string): Promise<unknown> {
  const { execution, journal } = await app.history(executionId);
  const own = (await world.own.effects()).filter(({ receipt }) => receipt.startsWith("1/"));
  const { status, phase, token } = execution;
  return { status, phase, token, rows: journal.map((row) => [row.step, row.role, row.state, row.token]), own };
}

const effectsOf = (report: Report): readonly string[] => report.effects.map(({ place, what }) => `${place} ${what}`);

const isTakenOver = (app: App, executionId: string): Promise<boolean> =>
  vi.waitUntil(async () => ((await app.find(executionId))?.token ?? 0) > 1, { timeout: 10_000 });

/** Nobody can be asked while the whole database is locked. */
const leaseIsOut = (): Promise<void> => new Promise((resolve) => void setTimeout(resolve, leaseMs * 1.5));
