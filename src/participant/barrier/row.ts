import { describeValue, InvariantError } from "../../core/errors.ts";
import type { BarrierMark } from "../../core/participant.ts";
import type { Row } from "../../core/script.ts";
import type { BarrierOp, BarrierRow } from "../dialect.ts";

/** DTM numbers several barriers of one call; ours is always the first. */
export const barrierId = "01";

/** DTM's word for the pattern that a row belongs to. */
export const transTypeOf = (op: BarrierOp): "saga" | "tcc" =>
  op === "action" || op === "compensation" ? "saga" : "tcc";

/** What the effect of `op` undoes. */
export const originOf = { compensation: "action", cancel: "try" } as const;

export function parseBarrierRow(row: Row): BarrierRow {
  return { op: parseOp(row["op"]), byOp: parseOp(row["reason"]), result: parseBytes(row["result"]) };
}

export function parseOps(rows: readonly Row[]): readonly BarrierOp[] {
  return rows.map((row) => parseOp(row["op"]));
}

const ops: readonly unknown[] = ["action", "compensation", "try", "confirm", "cancel"] satisfies readonly BarrierOp[];

function parseOp(value: unknown): BarrierOp {
  if (ops.includes(value)) return value as BarrierOp;
  throw new InvariantError(`Expected the barrier table to name an op of makegood's, found ${describeValue(value)}`);
}

/** A plain Uint8Array over the same bytes, whatever kind of buffer the client hands out. */
function parseBytes(value: unknown): Uint8Array | null {
  if (value === null || value === undefined) return null;
  if (value instanceof Uint8Array) return new Uint8Array(value.buffer, value.byteOffset, value.byteLength);
  throw new InvariantError(
    `Expected the client to return binary columns as Uint8Array, found ${describeValue(value)}; is a type parser set for them?`,
  );
}

export const markText = (mark: BarrierMark): string => `execution ${mark.gid}, step ${describeValue(mark.branch)}`;
