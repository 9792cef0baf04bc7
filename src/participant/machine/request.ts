// What a caller hands to `move`, checked before anything is asked of the database.
import { describeValue, isCleanText, OptionError } from "../../core/errors.ts";
import type { Graph } from "../../core/machine/graph.ts";
import { checkMachineName } from "../../core/machine/parse.ts";
import type { Columns } from "../../core/machine/spec.ts";
import { checkOptions } from "../../core/options.ts";
import { parseId, parseMark, parseVersion } from "../parse-row.ts";
import type { Request } from "./moving.ts";
import { parseState } from "./parse-state.ts";

export const maxActorChars = 255;
export const maxReasonChars = 2_000;
const optionKeys = ["by", "reason", "eventId", "payload", "set"] as const;

export type Given = {
  readonly row: unknown;
  readonly event: unknown;
  readonly options: unknown;
};

/** @throws OPTION_INVALID naming the place; STATE_UNKNOWN for a state that is none. */
export function parseRequest(graph: Graph, { row, event, options }: Given, by: string | null): Request {
  const where = `machine ${graph.name}: move`;
  if (typeof row !== "object" || row === null)
    throw new OptionError("row", `${where}: expected a row { id, state }, found ${describeValue(row)}`);
  const { id, state, version } = row as Readonly<Record<string, unknown>>;
  checkMachineName(where, event, "event");
  checkOptions(options ?? {}, optionKeys, where);
  const given = (options ?? {}) as Readonly<Record<string, unknown>>;
  return {
    id: parseId(id, where),
    state: state === undefined ? undefined : parseState(graph, state),
    version: version === undefined || version === null ? undefined : parseVersion(version, where),
    event,
    eventId: given["eventId"] === undefined ? null : parseMark(given["eventId"], "eventId", where),
    by: given["by"] === undefined ? by : parseNote(given["by"], maxActorChars, `${where}: by`),
    reason: given["reason"] === undefined ? null : parseNote(given["reason"], maxReasonChars, `${where}: reason`),
    payload: given["payload"],
    set: (given["set"] === undefined ? {} : given["set"]) as Columns,
    since: null,
  };
}

/** A short text for people: actor or reason. */
export function parseNote(text: unknown, maxChars: number, where: string): string {
  if (typeof text === "string" && text.length <= maxChars && isCleanText(text)) return text;
  throw new OptionError(
    where,
    `${where}: expected a text of at most ${maxChars} characters, without U+0000, found ${typeof text === "string" ? `${text.length} characters` : describeValue(text)}`,
  );
}
