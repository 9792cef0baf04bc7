// `--script FILE --language L`: a script that executors run in place of a handler.
import { readFileSync } from "node:fs";
import type { CallScript, ScriptType } from "../../index.ts";
import { UsageError } from "../usage-error.ts";

const languages: Readonly<Record<string, ScriptType>> = {
  shell: "GLUE_SHELL",
  python: "GLUE_PYTHON",
  python2: "GLUE_PYTHON2",
  node: "GLUE_NODEJS",
  powershell: "GLUE_POWERSHELL",
  php: "GLUE_PHP",
  groovy: "GLUE_GROOVY",
};
export const languageNames = Object.keys(languages).join(", ");

/** Undefined where none is given. */
export function readScript(file: string | undefined, language: string | undefined): CallScript | undefined {
  if (file === undefined && language === undefined) return undefined;
  if (file === undefined) throw new UsageError("--language: expected it beside --script alone.");
  if (language === undefined)
    throw new UsageError(`--script: expected --language beside it, one of ${languageNames}, found none.`);
  const type = Object.hasOwn(languages, language) ? languages[language] : undefined;
  if (type === undefined) throw new UsageError(`--language: expected one of ${languageNames}, found "${language}".`);
  return { type, source: readSource(file) };
}

function readSource(file: string): string {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(readFileSync(file));
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new UsageError(`--script: expected a file of text in UTF-8, found that it cannot be read: ${reason}.`, {
      cause: error,
    });
  }
}
