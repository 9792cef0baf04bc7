import pg from "pg";
import postgresJs from "postgres";
import { describe, expect, it } from "vitest";
import { countAsking, countRoundTrips } from "../../bench/round-trips.ts";
import { describeWithPostgres } from "../services/describe.ts";

/** Type, length of the rest with itself, rest. */
const message = (type: string, rest = ""): Buffer => {
  const bytes = Buffer.alloc(5 + rest.length, 0);
  bytes.write(type, 0);
  bytes.writeUInt32BE(4 + rest.length, 1);
  bytes.write(rest, 5);
  return bytes;
};

describe("what asks PostgreSQL for an answer", () => {
  it("is a simple query, a Sync and a Flush; their bytes within other messages are not", () => {
    const batch = [message("P", "SSSS QQQQ"), message("B", "H"), message("E"), message("S")];
    expect(countAsking(Buffer.concat(batch))).toBe(1);
    expect(countAsking(Buffer.concat([message("Q", "select 1"), message("H"), message("X")]))).toBe(2);
  });

  it("is not the first message of a connection, which has no type", () => {
    expect(countAsking(Buffer.from([0, 0, 0, 8, 0x51, 0x51, 0x51, 0x51]))).toBe(0);
  });
});

describeWithPostgres("round trips to PostgreSQL", (database) => {
  it("are counted alike for either client, and only those to its port", async () => {
    const roundTrips = countRoundTrips(Number(new URL(database.url).port));
    const elsewhere = countRoundTrips(1);
    const client = new pg.Client({ connectionString: database.url });
    await client.connect();
    const other = postgresJs(database.url, { max: 1, fetch_types: false });
    await other`select ${1}::int`;
    const before = roundTrips();
    await client.query("select 1; select 2");
    await client.query({ name: "prepared", text: "select $1::int", values: [1] });
    await client.query({ name: "prepared", text: "select $1::int", values: [2] });
    expect(roundTrips() - before).toBe(3);
    await other`select ${2}::int`;
    expect(roundTrips() - before).toBe(4);
    expect(elsewhere()).toBe(0);
    await Promise.all([client.end(), other.end()]);
  });
});
