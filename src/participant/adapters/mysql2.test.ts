import { createPool } from "mysql2/promise";
import { expect, it } from "vitest";
import { openMysql2 } from "../../../test/participant/mysql-clients.ts";
import { testMysqlParticipant } from "../../../test/participant/run-claims.ts";
import { describeWithMariadb } from "../../../test/services/describe.ts";
import { participant } from "../participant.ts";
import { mysql2 } from "./mysql2.ts";

// What a user may have set the client to; makegood's own statements must not notice.
const allSettings = {
  mysql2: {},
  "mysql2 that counts changed rows only": { flags: ["-FOUND_ROWS"] },
  "mysql2 with rows as arrays, numbers as text and bytes of its own": {
    rowsAsArray: true,
    supportBigNumbers: true,
    bigNumberStrings: true,
    namedPlaceholders: true,
    typeCast: () => "cast",
  },
};

describeWithMariadb("mysql2", (database) => {
  for (const [name, settings] of Object.entries(allSettings)) {
    testMysqlParticipant(name, database, (url) => openMysql2(url, settings));
  }
});

describeWithMariadb("mysql2", (database) => {
  it("keeps names apart that the connection's character set could not, and finds them from another one", async () => {
    const latin = openMysql2(database.url, { charset: "latin1" });
    const unicode = openMysql2(database.url);
    const orders = participant("orders", latin.adapter);
    await orders.migrate();
    const act = (client: typeof latin, branch: string) =>
      participant("orders", client.adapter).port.act({ gid: "g", branch, round: 0 }, "action", () => null);
    for (const branch of ["库", "存", "é"]) expect((await act(latin, branch)).kind).toBe("ran");
    for (const branch of ["库", "存", "é"]) expect((await act(unicode, branch)).kind).toBe("stored");
    await Promise.all([latin.close(), unicode.close()]);
  });

  it("keeps a body that goes on after its transaction from giving the connection back", async () => {
    const pool = createPool(database.url);
    const held = await mysql2(pool).transaction(async (tx) => tx);
    expect(() => held.release()).toThrow("has ended");
    await pool.end();
  });

  it("refuses a mark that INSERT IGNORE would cut to fit", async () => {
    const { adapter, close } = openMysql2(database.url);
    const { port, migrate } = participant("orders", adapter);
    await migrate();
    const mark = { gid: "g", branch: "b", round: 0 };
    for (const wrong of [{ gid: "é".repeat(65) }, { branch: "x".repeat(1_025) }, { round: 0.5 }, { round: 2 ** 31 }])
      expect(await port.act({ ...mark, ...wrong }, "action", () => null)).toMatchObject({
        kind: "threw",
        error: { code: "OPTION_INVALID" },
      });
    await close();
  });
});
