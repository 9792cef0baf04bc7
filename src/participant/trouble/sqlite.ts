import { chainOf, propertyOf } from "../../core/error-chain.ts";
import type { TroubleCodes } from "../dialect.ts";

// Result codes: https://sqlite.org/rescode.html
const nameOfCode: Readonly<Record<number, string>> = {
  1: "ERROR",
  5: "BUSY",
  6: "LOCKED",
  7: "NOMEM",
  8: "READONLY",
  9: "INTERRUPT",
  10: "IOERR",
  13: "FULL",
  14: "CANTOPEN",
  15: "PROTOCOL",
  19: "CONSTRAINT",
};
const transientNames = new Set(["BUSY", "LOCKED", "NOMEM", "INTERRUPT", "IOERR", "FULL", "CANTOPEN", "PROTOCOL"]);
/** After these a COMMIT leaves the transaction open, and the adapter rolls it back. After IOERR or FULL it may have landed (D2). */
const rolledBackNames = new Set(["BUSY", "CONSTRAINT"]);
const missingMessage = /no such (table|column)|has no column named/;

export const troubleSqlite: TroubleCodes = {
  troubleOf(error) {
    const found = find(error);
    if (found === undefined) return "permanent";
    if (found.name === "ERROR" && missingMessage.test(found.message)) return "missing";
    return transientNames.has(found.name) ? "transient" : "permanent";
  },
  isRollback(error) {
    return rolledBackNames.has(find(error)?.name ?? "");
  },
  isMigrationRace(error) {
    const name = find(error)?.name;
    return name === "BUSY" || name === "LOCKED";
  },
};

/** node:sqlite gives a number, better-sqlite3 and others a name; both may be extended codes such as SQLITE_BUSY_SNAPSHOT. */
function find(error: unknown): { readonly name: string; readonly message: string } | undefined {
  for (const at of chainOf(error)) {
    const message = String(propertyOf(at, "message") ?? "");
    const number = propertyOf(at, "errcode");
    if (typeof number === "number") return { name: nameOfCode[number & 0xff] ?? String(number), message };
    const name = /^SQLITE_([A-Z]+)/.exec(String(propertyOf(at, "code") ?? ""))?.[1];
    if (name !== undefined) return { name, message };
  }
  return undefined;
}
