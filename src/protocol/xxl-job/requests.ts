// What an admin sends to an executor. Every generation has the same fields in a trigger; the time of a log query has two
// spellings.
import { type Fields, integer, maxInt, type Parsed, parsed, text } from "./fields.ts";

/** Evaluated when the trigger arrives, on this executor alone. Unknown and absent ones behave as the first. */
export const blockStrategies = ["SERIAL_EXECUTION", "DISCARD_LATER", "COVER_EARLY"] as const;
export type BlockStrategy = (typeof blockStrategies)[number];

/** One order to run something. `logId` names it: a repeated one is the same order, a retry of the admin's is another. */
export interface TriggerRequest {
  readonly jobId: number;
  readonly logId: number;
  /** When the admin triggered it, epoch ms; 0 where it did not say. */
  readonly logDateTime: number;
  readonly handler: string;
  readonly param: string;
  readonly blockStrategy: BlockStrategy;
  /** 0 = none. */
  readonly timeoutSeconds: number;
  /** BEAN or empty: a handler. Else the type of a script. */
  readonly glueType: string;
  /** Of a script; of a handler always empty. */
  readonly glueSource: string;
  /** From 0. */
  readonly shardIndex: number;
  readonly shardTotal: number;
}

export interface LogRequest {
  readonly logId: number;
  /** From 1. */
  readonly fromLineNum: number;
}

export function parseTrigger(body: string): Parsed<TriggerRequest> {
  return parsed(body, (fields) => ({
    jobId: integer(fields, "jobId", 1, maxInt),
    logId: integer(fields, "logId", 1, Number.MAX_SAFE_INTEGER),
    logDateTime: integer(fields, "logDateTime", 0, Number.MAX_SAFE_INTEGER, 0),
    handler: text(fields, "executorHandler"),
    param: text(fields, "executorParams"),
    blockStrategy: strategyOf(text(fields, "executorBlockStrategy")),
    timeoutSeconds: Math.max(0, integer(fields, "executorTimeout", -maxInt, maxInt, 0)),
    ...glueOf(fields),
    shardIndex: integer(fields, "broadcastIndex", 0, maxInt, 0),
    shardTotal: integer(fields, "broadcastTotal", 0, maxInt, 1),
  }));
}

/** Of `idleBeat` and `kill`. */
export function parseJobId(body: string): Parsed<number> {
  return parsed(body, (fields) => integer(fields, "jobId", 1, maxInt));
}

/** The time that a query carries is read from whole seconds and may name another day: it is a hint, and not taken. */
export function parseLogRequest(body: string): Parsed<LogRequest> {
  return parsed(body, (fields) => ({
    logId: integer(fields, "logId", 1, Number.MAX_SAFE_INTEGER),
    fromLineNum: Math.max(1, integer(fields, "fromLineNum", -maxInt, maxInt, 1)),
  }));
}

function glueOf(fields: Fields): Pick<TriggerRequest, "glueType" | "glueSource"> {
  const glueType = text(fields, "glueType");
  return { glueType, glueSource: isHandlerType(glueType) ? "" : text(fields, "glueSource") };
}

export const isHandlerType = (glueType: string): boolean => glueType === "" || glueType === "BEAN";

function strategyOf(name: string): BlockStrategy {
  return blockStrategies.find((it) => it === name) ?? "SERIAL_EXECUTION";
}
