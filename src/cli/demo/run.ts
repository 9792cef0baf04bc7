import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { type App, type Execution, makegood, type Status } from "../../index.ts";
import { storeAt } from "../store-address.ts";
import { type Books, noWatch } from "./books.ts";
import { type ExecutionSeen, judge, type Verdict } from "./check.ts";
import { DemoError } from "./demo-error.ts";
import { expectFrom } from "./expected.ts";
import { defineJobs, type OrderResult } from "./jobs.ts";
import { planKills } from "./kill-plan.ts";
import { openBooks } from "./open-books.ts";
import type { Intake } from "./orders.ts";
import type { Place } from "./place.ts";
import type { ProgressState } from "./progress.ts";
import { type Submitted, submitTwice } from "./submit.ts";
import { Supervisor } from "./supervisor.ts";

export interface RunOptions {
  readonly intake: Intake;
  readonly place: Place;
  readonly kills: number;
  readonly isGuarded: boolean;
  /** Aborted: the worker is killed, and the run rejects with the signal's reason. */
  readonly signal: AbortSignal;
  show(state: ProgressState): void;
}

export interface Run {
  readonly verdict: Verdict;
  readonly killCount: number;
  readonly takeOversMs: readonly number[];
  readonly seconds: number;
}

const ended: readonly Status[] = ["completed", "compensated", "killed", "discarded"];
const pollMs = 100;
/** After so long without a new movement or an ended execution the run is given up, and what is there is judged. */
const stallMs = 60_000;
/** The demo crashes its worker on purpose: the default would park what happens to be met again and again. */
const defaultCrashes = 5;
const mostCrashes = 1_000;
const pageSize = 500;

/**
 * The parent's part: it creates the books, submits every order twice, keeps a worker process running and killed as
 * planned, and when all is done reads the engine's store and the participants' databases and judges them. It works at no
 * order itself. The tables of a store on a server must be there.
 */
export async function runDemo(options: RunOptions): Promise<Run> {
  const startedAt = performance.now();
  const { place } = options;
  const store = await storeAt(place.store);
  const books = await openBooks(place.books, noWatch);
  const app = makegood({ store, namespace: place.namespace, workerName: "demo-client" });
  const cacheFolder = await mkdtemp(join(tmpdir(), "makegood-demo-compiled-"));
  const supervisor = superviseAsPlanned(options, app, cacheFolder);
  try {
    await app.open();
    await books.create();
    supervisor.start();
    const { starts, executions: submitted } = await workThrough(options, { app, books, supervisor, startedAt });
    await supervisor.stop();
    const executions = await readExecutions(app, submitted);
    const verdict = judge({ intake: options.intake, starts, executions, movements: await books.readAll() });
    const seconds = (performance.now() - startedAt) / 1_000;
    return { verdict, killCount: supervisor.killCount, takeOversMs: supervisor.takeOversMs, seconds };
  } finally {
    await supervisor.abandon();
    await app.stop();
    await books.close();
    await rm(cacheFolder, { recursive: true, force: true });
  }
}

function superviseAsPlanned(options: RunOptions, app: App, cacheFolder: string): Supervisor {
  const { place, intake, kills, isGuarded } = options;
  const { movementCount } = expectFrom(intake);
  const plan = planKills({ kills, movementCount, isParallel: place.books.kind === "postgres" });
  const { store, books, namespace } = place;
  const { concurrency, paceMs } = plan;
  return new Supervisor({
    settings: {
      store,
      books,
      namespace,
      isGuarded,
      concurrency,
      paceMs,
      maxCrashes: Math.min(kills + defaultCrashes, mostCrashes),
    },
    cacheFolder,
    plan,
    movementCount,
    isWorkInterrupted: async () => (await app.list({ statuses: ["running"], limit: 1 })).length > 0,
  });
}

interface Crew {
  readonly app: App;
  readonly books: Books<unknown>;
  readonly supervisor: Supervisor;
  readonly startedAt: number;
}

/** Resolves when everything has been submitted and nothing is left to do; rejects if the worker cannot be kept running. */
async function workThrough(options: RunOptions, { app, books, supervisor, startedAt }: Crew): Promise<Submitted> {
  const { intake, isGuarded, signal, kills, show } = options;
  const submitting = submitTwice(app, defineJobs(books, isGuarded), intake, signal);
  const total = {
    orders: intake.orders.length + intake.cancellations.length,
    movements: expectFrom(intake).movementCount,
    kills,
  };
  const watching = watchUntilDone({ app, supervisor, submitting, signal, show, total, startedAt });
  await Promise.race([supervisor.failure, Promise.all([submitting, watching])]);
  return submitting;
}

// ── Watching ────────────────────────────────────────────────────────────────────────────────────────────────────────

interface WatchOptions {
  readonly app: App;
  readonly supervisor: Supervisor;
  readonly submitting: Promise<unknown>;
  readonly signal: AbortSignal;
  readonly total: { readonly orders: number; readonly movements: number; readonly kills: number };
  readonly startedAt: number;
  show(state: ProgressState): void;
}

/** Resolves when all is submitted and nothing is left to do, or when nothing has moved for a long time. */
async function watchUntilDone({
  app,
  supervisor,
  submitting,
  signal,
  total,
  startedAt,
  show,
}: WatchOptions): Promise<void> {
  let isSubmitted = false;
  submitting.then(
    () => {
      isSubmitted = true;
    },
    () => undefined,
  );
  let last = { news: "", at: performance.now() };
  for (;;) {
    const counts = await app.counts();
    const doneCount = sumOf(counts, (it) => ended.includes(it));
    const isIdle = sumOf(counts, (it) => !ended.includes(it) && it !== "parked") === 0;
    const now = performance.now();
    show({
      fraction: isIdle && isSubmitted ? 1 : Math.min(1, supervisor.begunCount / Math.max(1, total.movements)),
      doneCount,
      totalCount: total.orders,
      killCount: supervisor.killCount,
      plannedKillCount: total.kills,
      seconds: (now - startedAt) / 1_000,
    });
    if (isIdle && isSubmitted) return;
    const news = `${doneCount} ${supervisor.begunCount} ${supervisor.killCount}`;
    if (news !== last.news) last = { news, at: now };
    if (now - last.at > stallMs) {
      if (isSubmitted) return;
      throw new DemoError(`Nothing has moved for ${stallMs / 1_000} s, and not every order could be submitted.`);
    }
    await delay(pollMs, undefined, { signal });
  }
}

function sumOf(counts: Readonly<Record<Status, number>>, test: (status: Status) => boolean): number {
  return Object.entries(counts).reduce((sum, [status, count]) => (test(status as Status) ? sum + count : sum), 0);
}

// ── Reading ─────────────────────────────────────────────────────────────────────────────────────────────────────────

/** What the store says of every execution, and what the completed ones returned. */
async function readExecutions(app: App, submitted: Submitted["executions"]): Promise<ExecutionSeen[]> {
  const all: ExecutionSeen[] = [];
  for (const job of ["place-order", "cancel-order"] as const)
    for (let after: string | undefined; ; ) {
      const page = await app.list({ job, limit: pageSize, ...(after === undefined ? {} : { after }) });
      const seen = page.map(async ({ key, status }): Promise<ExecutionSeen> => {
        const invoice = key ?? "";
        return { job, invoice, status, result: status === "completed" ? await resultOf(submitted.get(invoice)) : null };
      });
      all.push(...(await Promise.all(seen)));
      after = page.at(-1)?.id;
      if (page.length < pageSize) break;
    }
  return all;
}

async function resultOf(execution: Execution<OrderResult> | undefined): Promise<OrderResult | null> {
  const outcome = await execution?.outcome();
  return outcome?.state === "completed" ? outcome.result : null;
}
