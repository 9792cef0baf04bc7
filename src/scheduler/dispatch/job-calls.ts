// What programs call, from generation 3.5 on: jobs are made, changed, started. A job is a schedule named by the job's
// number, whose call bears that number; it belongs to the group that it calls, and only that group may do anything with it.
//
// Java's client sends a POST again whose connection closed without an answer. So an addJob chooses the number by its own
// words: sent again it finds the job that it made, as long as nobody has touched that, and answers the same number. Two
// different ones at once cannot take the same number, since a schedule's name is unique. All the other calls but
// triggerJob say what shall be, and change nothing the second time.
import { describeValue, isCodedError } from "../../core/errors.ts";
import type { Actor } from "../../core/ports.ts";
import type { RemoteCall } from "../../core/schedule/definition.ts";
import type { ScheduleBounds, ScheduleOptions } from "../../core/schedule/schedule.ts";
import type { TimeTrigger } from "../../core/schedule/trigger.ts";
import type { JobMethod } from "../../protocol/xxl-job/center.ts";
import { withBody } from "../../protocol/xxl-job/fields.ts";
import {
  callOf,
  type DescribedJob,
  isNever,
  type JobTrigger,
  parseChangedJob,
  parseJobRef,
  parseJobTrigger,
  parseNewJob,
  scheduleNameOf,
  triggerOf,
} from "../../protocol/xxl-job/jobs.ts";
import { type Answer, failure, payload, success } from "../../protocol/xxl-job/wire.ts";
import type { Center } from "./center.ts";

/** A schedule, as far as a job is one. */
interface KeptJob {
  readonly call: RemoteCall | null;
  readonly schedule: ScheduleOptions;
  readonly version: number;
}
type JobCall = ReturnType<typeof callOf>;
interface By {
  readonly actor: Actor;
  readonly note?: string;
}

/** Those of the app. Throw as it does. */
export interface JobSchedules {
  add(
    call: JobCall & { readonly group: string },
    on: TimeTrigger<void>,
    options: By & { readonly name: string; readonly paused: boolean },
  ): Promise<unknown>;
  find(name: string): Promise<KeptJob | null>;
  edit(name: string, change: By & { readonly on?: TimeTrigger<void>; readonly call: JobCall }): Promise<unknown>;
  pause(name: string, by: By): Promise<unknown>;
  resume(name: string, by: By): Promise<unknown>;
  remove(name: string, by: By): Promise<unknown>;
  runOnce(
    name: string,
    what: By & { readonly param: string; readonly addresses?: readonly string[] },
  ): Promise<unknown>;
}

export interface JobDesk {
  readonly schedules: JobSchedules;
  readonly center: Center;
  /** Whether jobs may be scripts. */
  readonly scripts: boolean;
  /** In which the cron expressions of new jobs are meant. */
  readonly zone: string;
}

/** What is wrong with the call itself; everything else is a trouble of the center's. */
const refusals = ["OPTION_INVALID", "CRON_INVALID", "SCHEDULE_UNKNOWN"];

/** `group`: whose token the caller has. */
export async function answerJobCall(desk: JobDesk, method: JobMethod, group: string, body: string): Promise<Answer> {
  try {
    return await answer(desk, method, group, body);
  } catch (error) {
    if (isCodedError(error) && refusals.includes(error.code)) return failure(`${method} is refused: ${error.message}`);
    throw error;
  }
}

function answer(desk: JobDesk, method: JobMethod, group: string, body: string): Promise<Answer> {
  switch (method) {
    case "addJob":
      return withBody(parseNewJob(body, desk.scripts), (described) => add(desk, group, described, body));
    case "updateJob":
      return withBody(parseChangedJob(body, desk.scripts), (it) =>
        ofGroup(desk, group, it.id, (job) => update(desk, job, it)),
      );
    case "removeJob":
      return withBody(parseJobRef(body), (id) => remove(desk, group, id));
    case "startJob":
      return withBody(parseJobRef(body), (id) => ofGroup(desk, group, id, (job) => start(desk, job)));
    case "stopJob":
      return withBody(parseJobRef(body), (id) =>
        ofGroup(desk, group, id, (job) => done(desk.schedules.pause(job.name, job.by))),
      );
    case "triggerJob":
      return withBody(parseJobTrigger(body), (it) => ofGroup(desk, group, it.id, (job) => trigger(desk, job, it)));
  }
}

// ── Each ───────────────────────────────────────────────────────────────────────────────────────────────────────────

/** So many jobs may be made of the very same words. */
const maxTwins = 100;

async function add(desk: JobDesk, group: string, { job, title }: DescribedJob, body: string): Promise<Answer> {
  const { schedules, zone, center } = desk;
  const on = triggerOf(job, { zone });
  for (let twin = 0; twin < maxTwins; twin++) {
    const id = freshNumber(`${group}\n${twin}\n${body}`, center.options.sha256);
    const name = scheduleNameOf(id);
    const isMade = await schedules
      .add({ group, ...callOf(job, id) }, on, { name, paused: true, ...by(group, title) })
      .then(() => true, onlyTaken);
    if (isMade || isUntouched(await schedules.find(name), group)) return payload(String(id), "Success");
  }
  return failure(
    `addJob is refused: expected fewer than ${maxTwins} jobs of the very same words. Change its name, or remove some`,
  );
}

function onlyTaken(error: unknown): false {
  if (isCodedError(error) && error.code === "SCHEDULE_EXISTS") return false;
  throw error;
}

/** Its number was found by the words of the call, so it was made of them; while nobody has touched it, this is the call again. */
const isUntouched = (kept: KeptJob | null, group: string): boolean => kept?.version === 1 && kept.call?.group === group;

const firstNumber = 2 ** 30;

/** From 2^30 up: those of jobs that come from an admin's table are smaller. */
function freshNumber(words: string, sha256: (text: string) => Uint8Array): number {
  const [a = 0, b = 0, c = 0, d = 0] = sha256(words);
  return firstNumber + (((a << 24) | (b << 16) | (c << 8) | d) >>> 2);
}

interface OwnJob {
  readonly name: string;
  readonly group: string;
  readonly schedule: ScheduleOptions;
  readonly by: By;
}

/** What is not XXL-JOB's to say stays: zone, start, end, jitter, calendar, pause between retries. */
async function update({ schedules }: JobDesk, { name, group, schedule }: OwnJob, given: ChangedJob): Promise<Answer> {
  // A job without times that is another's child stays that.
  const keepsFollowing = schedule.after !== undefined && given.job.scheduleType === "NONE";
  const on = keepsFollowing ? {} : { on: triggerOf(given.job, boundsOf(schedule)) };
  return done(schedules.edit(name, { ...on, call: callOf(given.job, given.id), ...by(group, given.title) }));
}
type ChangedJob = DescribedJob & { readonly id: number };

const boundsOf = ({ cron, dialect, every, afterEnd, at, after, join, ...bounds }: ScheduleOptions): ScheduleBounds =>
  bounds;

/** One that is gone is removed: so it is answered to a removal that is sent again. */
async function remove({ schedules }: JobDesk, group: string, id: number): Promise<Answer> {
  const kept = await schedules.find(scheduleNameOf(id));
  if (kept === null) return success;
  return kept.call?.group === group ? done(schedules.remove(scheduleNameOf(id), by(group))) : unknownJob(group, id);
}

async function start({ schedules }: JobDesk, { name, by, schedule }: OwnJob): Promise<Answer> {
  if (!isNever(schedule)) return done(schedules.resume(name, by));
  return failure("startJob is refused: expected a job of scheduleType CRON or FIX_RATE, found NONE: use triggerJob");
}

/** Each call is one start: it has no number by which a repeat could be told from a second wish. */
async function trigger({ schedules, center }: JobDesk, { name, group, by }: OwnJob, given: JobTrigger) {
  const { param, addresses } = given;
  const live = await center.liveOf({ group });
  const strangers = addresses.filter((address) => live.every((it) => it.address !== address));
  if (strangers.length > 0)
    return failure(
      `triggerJob is refused: addressList: expected addresses under which executors of group ${group} are registered now, ` +
        `found ${describeValue(strangers[0])}`,
    );
  return done(schedules.runOnce(name, { param, ...(addresses.length === 0 ? {} : { addresses }), ...by }));
}

// ── Parts ──────────────────────────────────────────────────────────────────────────────────────────────────────────

/** A job of another group is as good as none. */
async function ofGroup(
  { schedules }: JobDesk,
  group: string,
  id: number,
  use: (job: OwnJob) => Promise<Answer>,
): Promise<Answer> {
  const name = scheduleNameOf(id);
  const kept = await schedules.find(name);
  if (kept?.call?.group !== group) return unknownJob(group, id);
  return use({ name, group, schedule: kept.schedule, by: by(group) });
}

const unknownJob = (group: string, id: number): Answer =>
  failure(
    `expected the number of a job of group ${group}, found ${id}: there is no such job, or it is another group's`,
  );

const by = (group: string, note = ""): By => ({
  actor: { kind: "token", id: group },
  ...(note === "" ? {} : { note }),
});

async function done(work: Promise<unknown>): Promise<Answer> {
  await work;
  return success;
}
