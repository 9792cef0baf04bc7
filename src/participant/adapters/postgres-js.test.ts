import postgres from "postgres";
import { describe, expect, it } from "vitest";
import { openPostgresJs } from "../../../test/participant/postgres-clients.ts";
import { testPostgresParticipant } from "../../../test/participant/run-claims.ts";
import { describeWithPostgres } from "../../../test/services/describe.ts";
import { postgresJs } from "./postgres-js.ts";

// What a user may have set the client to; makegood's own statements must not notice.
const allSettings = {
  "postgres.js": { fetch_types: true },
  "postgres.js that renames columns": { transform: postgres.camel },
  "postgres.js that prepares nothing": { prepare: false },
};

describeWithPostgres("postgresJs", (database) => {
  for (const [name, settings] of Object.entries(allSettings)) {
    testPostgresParticipant(name, database, (url) => openPostgresJs(url, settings));
  }
});

describe("postgresJs", () => {
  it("refuses a client that rewrites whole rows", async () => {
    const sql = postgres({ transform: { row: { from: (row: unknown) => row } } as never });
    expect(() => postgresJs(sql)).toThrow("transform.row");
    await sql.end();
  });
});
