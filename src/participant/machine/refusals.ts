// Refusals as errors.
import { assertNever, CatalogError, describeValue } from "../../core/errors.ts";
import type { Request } from "./moving.ts";
import type { Duplicate, MoveRefused } from "./types.ts";

/** What `move` throws for what `tryMove` answers. */
export function refusalError(
  machine: string,
  table: string,
  request: Request,
  refused: MoveRefused<string>,
): CatalogError {
  const id = String(request.id);
  const { event } = request;
  switch (refused.kind) {
    case "illegal":
      return illegal(machine, id, event, refused.actual, refused.legal);
    case "guarded":
      return guarded(machine, id, event, refused.actual, refused.guard);
    case "stale":
      return new CatalogError(
        "STATE_STALE",
        `machine ${machine}: expected row ${describeValue(id)} ${expectedOf(request)}, found it in ${refused.actual}${refused.version === null ? "" : `, version ${refused.version}`}; read it again and decide again`,
        { machine, id, event, actual: refused.actual, version: refused.version },
      );
    case "missing":
      return new CatalogError("ROW_MISSING", `machine ${machine}: there is no row ${describeValue(id)} in ${table}`, {
        table,
        id,
      });
    default:
      return assertNever(refused);
  }
}

/** A repeated event that was refused the first time is refused again, in the same words. */
export function repeatedRefusal(
  machine: string,
  request: Request,
  { first }: Duplicate<string>,
  legal: readonly string[],
): CatalogError {
  const id = String(request.id);
  return first.outcome === "guarded"
    ? guarded(machine, id, request.event, first.from, "")
    : illegal(machine, id, request.event, first.from, legal);
}

export function eventIdReused(machine: string, request: Request, first: string): CatalogError {
  return new CatalogError(
    "EVENT_ID_REUSED",
    `machine ${machine}: expected event id ${describeValue(request.eventId)} of row ${describeValue(String(request.id))} to be ${describeValue(first)} again, found ${describeValue(request.event)}; give each event an id of its own`,
    { machine, id: String(request.id), first, event: request.event },
  );
}

function illegal(machine: string, id: string, event: string, actual: string, legal: readonly string[]): CatalogError {
  const advice = legal.length === 0 ? "which is final" : `which takes ${legal.join(", ")}`;
  return new CatalogError(
    "TRANSITION_ILLEGAL",
    `machine ${machine}: event ${describeValue(event)} is illegal for row ${describeValue(id)} in state ${actual}, ${advice}`,
    { machine, id, event, actual, legal },
  );
}

function guarded(machine: string, id: string, event: string, actual: string, guard: string): CatalogError {
  const by = guard === "" ? "its guard" : `guard ${guard}`;
  return new CatalogError(
    "GUARD_REFUSED",
    `machine ${machine}: ${by} refused event ${describeValue(event)} for row ${describeValue(id)} in state ${actual}`,
    { machine, id, event, actual, guard },
  );
}

function expectedOf({ state, version }: Request): string {
  const parts = [
    ...(state === undefined ? [] : [`in state ${state}`]),
    ...(version === undefined ? [] : [`at version ${version}`]),
  ];
  return parts.length === 0 ? "unchanged" : parts.join(", ");
}
