// A script that executors run in place of a handler. Types have XXL-JOB's names, by which executors know them.
import { describeValue, isCleanText, OptionError } from "../errors.ts";
import { checkOptions } from "../options.ts";

export const scriptTypes = [
  "GLUE_SHELL",
  "GLUE_PYTHON",
  "GLUE_PYTHON2",
  "GLUE_NODEJS",
  "GLUE_POWERSHELL",
  "GLUE_PHP",
  "GLUE_GROOVY",
] as const;
export type ScriptType = (typeof scriptTypes)[number];

export interface CallScript {
  readonly type: ScriptType;
  /** At most 64 KiB. Carriage returns are taken out of a shell's. */
  readonly source: string;
}

/** As it is kept with a schedule and sent. */
export interface StampedScript extends CallScript {
  /** When it was set or changed, in whole seconds as epoch ms; by it an executor tells that the script is another. */
  readonly updatedAt: number;
}

export const maxScriptBytes = 64 * 1_024;

export const isScriptType = (word: unknown): word is ScriptType => scriptTypes.some((type) => type === word);

/** Throws OPTION_INVALID. */
export function checkScript(given: CallScript): CallScript {
  if (typeof given !== "object" || given === null)
    throw new OptionError("script", `script: expected { type, source }, found ${describeValue(given)}`);
  checkOptions(given, ["type", "source"], "call.script");
  const { type, source } = given;
  if (!isScriptType(type))
    throw new OptionError(
      "script.type",
      `script.type: expected one of ${scriptTypes.join(", ")}, found ${describeValue(type)}`,
    );
  if (typeof source !== "string" || source.trim() === "" || !isCleanText(source))
    throw unfit(describeValue(source, 40));
  const bytes = new TextEncoder().encode(source).length;
  if (bytes > maxScriptBytes) throw unfit(`${bytes} bytes`);
  return { type, source: type === "GLUE_SHELL" ? source.replaceAll("\r", "") : source };
}

const unfit = (found: string): OptionError =>
  new OptionError(
    "script.source",
    `script.source: expected a text of 1 to ${maxScriptBytes} bytes in UTF-8, without U+0000, found ${found}`,
  );

const secondMs = 1_000;

/** The same script keeps its time. A changed one gets a later time than the one before, also within the same second. */
export function stampScript(script: CallScript, before: StampedScript | undefined, now: number): StampedScript {
  const isSame = before?.type === script.type && before.source === script.source;
  if (isSame) return before;
  const second = Math.floor(now / secondMs) * secondMs;
  return { ...script, updatedAt: before === undefined ? second : Math.max(second, before.updatedAt + secondMs) };
}
