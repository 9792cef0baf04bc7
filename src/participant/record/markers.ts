import type { Mode, Participant } from "../../core/participant.ts";
import { type Base, baseOf } from "../base.ts";
import { type LeasedRecords, sqlRecords } from "./leased.ts";

const port = Symbol.for("makegood.markers");

/** Execution records that are not in a participant's database. Made with `redisMarkers(client)`. */
export interface Markers {
  readonly name: string;
  readonly [port]: LeasedRecords;
}

export const createMarkers = (name: string, records: LeasedRecords): Markers => ({ name, [port]: records });

/** Throws OPTION_INVALID, naming `where`, for what is neither a participant nor markers. */
export function recordsOf<Tx, M extends Mode>(on: Participant<Tx, M> | Markers, where: string): LeasedRecords {
  if (typeof on === "object" && on !== null && port in on) return on[port];
  const base: Base<Tx, M> = baseOf(on as Participant<Tx, M>, where);
  return sqlRecords(base);
}
