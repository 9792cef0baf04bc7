// From a trigger to what a row stores of it. What it follows is looked up here, so that a schedule may be renamed later.
import { CatalogError, describeValue } from "../../core/errors.ts";
import { isUuid } from "../../core/ids.ts";
import { Definitions, type ScheduleDefinition, scheduleOptionsOf } from "../../core/schedule/definition.ts";
import { refuseLoop } from "../../core/schedule/graph.ts";
import { defaultMisfire } from "../../core/schedule/misfire.ts";
import type { Upstream } from "../../core/schedule/schedule.ts";
import type { ScheduleRow } from "../../core/schedule-store.ts";
import type { ScheduleTrigger } from "../../core/trigger.ts";
import type { Session } from "../session.ts";
import { followerOf } from "./followers.ts";

const definitions = new Definitions();

/** Throws SCHEDULE_UNKNOWN. */
export async function planOf(
  session: Session,
  on: ScheduleTrigger<unknown>,
): Promise<Pick<ScheduleDefinition, "schedule" | "misfire">> {
  if (on.kind === "time") return { schedule: scheduleOptionsOf(on.schedule), misfire: on.misfire };
  const after: Upstream[] = [];
  for (const one of on.of) after.push("job" in one ? { job: one.job } : await lookUp(session, one.ref));
  // Nothing is ever missed: an end is there or it is not.
  return { schedule: { after, join: on.join }, misfire: defaultMisfire };
}

async function lookUp(session: Session, ref: string): Promise<Upstream> {
  const { namespace, store } = session.env;
  const { schedules } = store;
  const row = await session.insist(() =>
    isUuid(ref) ? schedules.find(ref) : schedules.findByName({ namespace, name: ref }),
  );
  if (row?.namespace === namespace) return { job: row.job, schedule: row.id };
  throw new CatalogError(
    "SCHEDULE_UNKNOWN",
    `expected a schedule to follow, found none of id or name ${describeValue(ref)}. Make it first`,
    { ref },
  );
}

type Added = Pick<ScheduleRow, "name" | "job" | "definition"> & { readonly id?: string };

/** Throws SCHEDULE_LOOP where it would follow itself. Two that are made at the same moment do not see each other. */
export async function checkLoop(session: Session, added: Added): Promise<void> {
  const { namespace, store } = session.env;
  const rows = await session.insist(() => store.schedules.followers(namespace));
  const known = rows.find(({ id, name }) => id === added.id || (name !== null && name === added.name));
  const id = known?.id ?? added.id ?? "new";
  const { upstreams } = followerOf(definitions, { ...added, id });
  const others = rows.map((row) => followerOf(definitions, row));
  const nameOf = (of: string): string => (of === id ? added.name : rows.find((row) => row.id === of)?.name) ?? of;
  refuseLoop({ id, job: added.job, upstreams }, others, nameOf);
}

/** Throws SCHEDULE_FOLLOWED. One that comes to follow it at the same moment is not seen. */
export async function refuseFollowed(session: Session, { id, name, namespace }: ScheduleRow): Promise<void> {
  const rows = await session.insist(() => session.env.store.schedules.followers(namespace));
  const follows = (row: ScheduleRow): boolean =>
    followerOf(definitions, row).upstreams.some(({ schedule }) => schedule === id);
  const followers = rows.filter(follows).map((row) => row.name ?? row.id);
  if (followers.length === 0) return;
  throw new CatalogError(
    "SCHEDULE_FOLLOWED",
    `expected nothing to follow schedule ${name ?? id}, found ${followers.join(", ")}. Remove what follows it first, or edit it`,
    { schedule: id, followers },
  );
}
