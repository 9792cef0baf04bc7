import { describe, expect, it } from "vitest";
import { troubleMysql } from "./mysql.ts";
import { troublePostgres } from "./postgres.ts";
import { troubleSqlite } from "./sqlite.ts";

const withCode = (code: string, message = "as asked"): Error => Object.assign(new Error(message), { code });
const wrapped = (cause: unknown): Error => new Error("Failed query", { cause });

describe("trouble on PostgreSQL", () => {
  it.each([
    ["40P01", "transient"],
    ["40001", "transient"],
    ["55P03", "transient"],
    ["57014", "transient"],
    ["57P01", "transient"],
    ["57P03", "transient"],
    ["53300", "transient"],
    ["08006", "transient"],
    ["25006", "transient"],
    ["25P02", "aborted"],
    ["25P03", "idle"],
    ["42P01", "missing"],
    ["3F000", "missing"],
    ["42703", "missing"],
    ["42883", "missing"],
    ["42501", "permanent"],
    ["23505", "permanent"],
    ["22P05", "permanent"],
    ["ECONNRESET", "lost"],
    ["P2028", "lost"],
    ["EPIPE", "lost"],
    ["CONNECTION_CLOSED", "lost"],
  ] as const)("%s is %s, also as the cause of an ORM's error", (code, trouble) => {
    expect([troublePostgres.troubleOf(withCode(code)), troublePostgres.troubleOf(wrapped(withCode(code)))]).toEqual([
      trouble,
      trouble,
    ]);
  });

  it("takes an error without a code for a lost connection, and a TypeError for a mistake", () => {
    expect(troublePostgres.troubleOf(new Error("Connection terminated unexpectedly"))).toBe("lost");
    expect(troublePostgres.troubleOf(new TypeError("x is not a function"))).toBe("permanent");
  });

  it("reads anything that can be thrown", () => {
    const circle: { cause?: unknown } = {};
    circle.cause = circle;
    const hostile = Object.defineProperty({}, "code", {
      get: () => {
        throw new Error("no");
      },
    });
    for (const thrown of [undefined, null, "text", 7, circle, hostile]) {
      expect(troublePostgres.troubleOf(thrown)).toBe("lost");
      expect(troublePostgres.isRollback(thrown)).toBe(false);
      expect(troubleSqlite.troubleOf(thrown)).toBe("permanent");
      expect(troubleSqlite.isRollback(thrown)).toBe(false);
    }
  });
});

describe("trouble on MySQL and MariaDB", () => {
  const numbered = (errno: number, message = "as asked"): Error => Object.assign(new Error(message), { errno });

  it.each([
    [1213, "transient"],
    [1205, "transient"],
    [1020, "transient"],
    [1317, "transient"],
    [1969, "transient"],
    [3024, "transient"],
    [3572, "transient"],
    [1040, "transient"],
    [1203, "transient"],
    [1053, "transient"],
    [1927, "transient"],
    [1290, "transient"],
    [1146, "missing"],
    [1054, "missing"],
    [1049, "missing"],
    [1158, "lost"],
    [4031, "lost"],
    [2006, "lost"],
    [2013, "lost"],
    [45_009, "lost"],
    [-104, "lost"],
    [1062, "permanent"],
    [1064, "permanent"],
    [1305, "permanent"],
  ] as const)("%s is %s, also within an ORM's error", (errno, trouble) => {
    const error = numbered(errno);
    const wrappings = [error, wrapped(error), { driverError: error }, { original: error }];
    expect(wrappings.map(troubleMysql.troubleOf)).toEqual(Array(4).fill(trouble));
  });

  it("knows by the savepoint that the transaction has ended, and by no other one", () => {
    expect(troubleMysql.troubleOf(numbered(1305, "SAVEPOINT makegood_body does not exist"))).toBe("ended");
    expect(troubleMysql.troubleOf(numbered(1305, "SAVEPOINT sp1 does not exist"))).toBe("permanent");
  });

  it("takes an error without a number for a lost connection, and a TypeError for a mistake", () => {
    expect(troubleMysql.troubleOf(withCode("PROTOCOL_CONNECTION_LOST"))).toBe("lost");
    expect(troubleMysql.troubleOf(new TypeError("x is not a function"))).toBe("permanent");
  });

  it("is certain of a COMMIT that a cluster or a server gone read-only refused, and of no other", () => {
    for (const certain of [1213, 1290]) expect(troubleMysql.isRollback(wrapped(numbered(certain)))).toBe(true);
    for (const unclear of [1205, 1053, 2013, 1180]) expect(troubleMysql.isRollback(numbered(unclear))).toBe(false);
    expect(troubleMysql.isRollback(withCode("ECONNRESET"))).toBe(false);
  });

  it("takes a lock that another migration holds for a race", () => {
    for (const race of [numbered(1213), numbered(1205), withCode("STORE_CONFLICT")])
      expect(troubleMysql.isMigrationRace(race)).toBe(true);
    expect(troubleMysql.isMigrationRace(numbered(1044))).toBe(false);
  });
});

describe("trouble on SQLite", () => {
  const native = (errcode: number, message = "as asked"): Error =>
    Object.assign(withCode("ERR_SQLITE_ERROR", message), { errcode });

  it.each([
    [5, "SQLITE_BUSY", "transient"],
    [517, "SQLITE_BUSY_SNAPSHOT", "transient"],
    [6, "SQLITE_LOCKED", "transient"],
    [13, "SQLITE_FULL", "transient"],
    [10, "SQLITE_IOERR", "transient"],
    [1034, "SQLITE_IOERR_FSYNC", "transient"],
    [8, "SQLITE_READONLY", "permanent"],
    [19, "SQLITE_CONSTRAINT", "permanent"],
    [1, "SQLITE_ERROR", "permanent"],
    [26, "SQLITE_NOTADB", "permanent"],
  ] as const)("%s and %s are %s", (errcode, code, trouble) => {
    expect([troubleSqlite.troubleOf(native(errcode)), troubleSqlite.troubleOf(withCode(code))]).toEqual([
      trouble,
      trouble,
    ]);
    expect(troubleSqlite.troubleOf(wrapped(withCode(code)))).toBe(trouble);
  });

  it("knows a missing table or column by its message", () => {
    expect(troubleSqlite.troubleOf(native(1, "no such table: makegood_barrier"))).toBe("missing");
    expect(troubleSqlite.troubleOf(withCode("SQLITE_ERROR", "table makegood_barrier has no column named round"))).toBe(
      "missing",
    );
  });

  it("is certain of a COMMIT that met a busy database or a constraint, and of no other", () => {
    for (const certain of [5, 19, 787]) expect(troubleSqlite.isRollback(native(certain))).toBe(true);
    for (const unclear of [10, 1034, 13, 7, 1]) expect(troubleSqlite.isRollback(native(unclear))).toBe(false);
  });
});
