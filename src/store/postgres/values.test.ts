import fc from "fast-check";
import pg from "pg";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { describeWithPostgres } from "../../../test/services/describe.ts";
import {
  bytesArray,
  bytesOrNull,
  int,
  intOrNull,
  numberArray,
  plainList,
  text,
  textArray,
  textOrNull,
  uuidArray,
} from "./values.ts";

describeWithPostgres("lists as one parameter", (database) => {
  let client: pg.Client;
  beforeAll(async () => {
    client = new pg.Client({ connectionString: database.url });
    await client.connect();
  });
  afterAll(() => client?.end());

  const sent = async (type: string, list: unknown): Promise<unknown> =>
    (
      await client.query(
        `SELECT to_json(array_agg(x ORDER BY n)) AS list FROM unnest($1::${type}[]) WITH ORDINALITY u(x, n)`,
        [list],
      )
    ).rows[0].list ?? [];

  it("texts of any characters arrive as they are", async () => {
    const texts = fc.string({ unit: "binary" }).filter((value) => value.isWellFormed() && !value.includes("\0"));
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.option(fc.oneof(texts, fc.constantFrom("", "NULL", "null", '"', "\\", "{}", "a,b", " ")))),
        async (list) => {
          expect(await sent("text", textArray(list))).toEqual(list);
        },
      ),
      { numRuns: 60 },
    );
  });

  it("numbers arrive as they are", async () => {
    const numbers = fc.array(fc.option(fc.maxSafeInteger()));
    await fc.assert(
      fc.asyncProperty(numbers, async (list) => {
        expect(await sent("bigint", numberArray(list))).toEqual(list);
      }),
      { numRuns: 40 },
    );
  });

  it("bytes arrive as they are", async () => {
    const lists = fc.array(fc.option(fc.uint8Array({ maxLength: 300 })));
    await fc.assert(
      fc.asyncProperty(lists, async (list) => {
        const { rows } = await client.query({
          text: "SELECT x::text AS x FROM unnest($1::bytea[]) WITH ORDINALITY u(x, n) ORDER BY n",
          values: [bytesArray(list)],
        });
        const found = rows.map((row) => bytesOrNull(row.x));
        expect(found.map((bytes) => bytes && [...bytes])).toEqual(list.map((bytes) => bytes && [...bytes]));
      }),
      { numRuns: 60 },
    );
  });

  it("ids arrive as they are, in either case", async () => {
    const ids = fc.uuid().chain((id) => fc.constantFrom(id, id.toUpperCase()));
    await fc.assert(
      fc.asyncProperty(fc.array(fc.option(ids)), async (list) => {
        expect(await sent("uuid", uuidArray(list))).toEqual(list.map((id) => id?.toLowerCase() ?? null));
      }),
      { numRuns: 40 },
    );
  });

  it.each(["", "x", "0190b5a0-0000-7000-8000-00000000000g", "0190b5a0-0000-7000-8000-0000000000000", "é".repeat(36)])(
    "%j is no id, and is refused as the server would",
    (id) => {
      expect(() => uuidArray([id])).toThrow(expect.objectContaining({ code: "STORE_POISON" }));
    },
  );
});

describe("values back from a client", () => {
  it("whole numbers come as numbers, bigints or texts", () => {
    expect([int(7), int("7"), int(7n), int("-9007199254740991")]).toEqual([7, 7, 7, Number.MIN_SAFE_INTEGER]);
    expect([intOrNull(null), intOrNull(undefined), intOrNull("0")]).toEqual([null, null, 0]);
  });

  it.each([null, "x", "1.5", "9007199254740993", Number.NaN])("%j is no whole number", (found) => {
    expect(() => int(found)).toThrow("whole number");
  });

  it("text is text", () => {
    expect([text("a"), textOrNull(null), textOrNull("a")]).toEqual(["a", null, "a"]);
    expect(() => text(1)).toThrow("Expected text");
  });

  it("plain lists", () => {
    expect([plainList(null), plainList("{}"), plainList("{a,b}")]).toEqual([[], [], ["a", "b"]]);
  });
});
