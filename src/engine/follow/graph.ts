// What people draw: schedules that follow others, as edges.
import { Definitions } from "../../core/schedule/definition.ts";
import type { Join } from "../../core/schedule/schedule.ts";
import type { Session } from "../session.ts";
import { followerOf } from "./followers.ts";

export interface ScheduleNode {
  /** Null: a job, however its executions were started. */
  readonly schedule: string | null;
  readonly job: string;
  /** Of a schedule without a name its id. */
  readonly name: string;
}

export interface ScheduleEdge {
  readonly from: ScheduleNode;
  readonly to: ScheduleNode;
  readonly join: Join;
  readonly paused: boolean;
}

const definitions = new Definitions();

export async function graphOf(session: Session): Promise<readonly ScheduleEdge[]> {
  const { namespace, store } = session.env;
  const rows = await session.insist(() => store.schedules.followers(namespace));
  const names = new Map(rows.map((row) => [row.id, row.name ?? row.id]));
  const nameOf = async (id: string): Promise<string> => {
    const known = names.get(id) ?? (await session.insist(() => store.schedules.find(id)))?.name ?? id;
    names.set(id, known);
    return known;
  };
  const edges: ScheduleEdge[] = [];
  for (const row of rows) {
    const to = { schedule: row.id, job: row.job, name: row.name ?? row.id };
    const { schedule } = definitions.read(row.definition, row.id);
    for (const { job, schedule: id } of followerOf(definitions, row).upstreams) {
      const from = { schedule: id ?? null, job, name: id === undefined ? job : await nameOf(id) };
      const join = schedule.timing.kind === "after" ? schedule.timing.join : "each";
      edges.push({ from, to, join, paused: row.paused !== null });
    }
  }
  return edges;
}
