import fc from "fast-check";
import { expect, test } from "vitest";
import { parseCsv } from "./csv.ts";
import { UsageError } from "./usage-error.ts";

const fieldsOf = (text: string) => parseCsv(text).map((it) => it.fields);

test("fields are separated by commas and records by line ends of either kind", () => {
  expect(fieldsOf("a,b\r\n1,\n,2")).toEqual([
    ["a", "b"],
    ["1", ""],
    ["", "2"],
  ]);
});

test("a quoted field holds commas, line breaks and doubled quotes", () => {
  expect(fieldsOf('"a,b","c\nd","7"" single"\n"","""",x')).toEqual([
    ["a,b", "c\nd", '7" single'],
    ["", '"', "x"],
  ]);
});

test("a byte order mark and empty lines are passed over", () => {
  expect(fieldsOf("\ufeffa,b\n\n1,2\n\n")).toEqual([
    ["a", "b"],
    ["1", "2"],
  ]);
});

test("a record knows the line of the file on which it begins", () => {
  expect(parseCsv('a\n"b\nb"\nc\n\nd').map((it) => it.line)).toEqual([1, 2, 4, 6]);
});

test("an open quote and text after a quoted field are refused with their line", () => {
  expect(() => parseCsv('a\n"b\n')).toThrow(
    new UsageError("line 2: expected a closing quote, found the end of the file"),
  );
  expect(() => parseCsv('a\n"b"c,d\n')).toThrow(/line 2: expected a comma/);
});

test("what is written by the rules is read as it was", () => {
  const field = fc.oneof(fc.string(), fc.string({ unit: fc.constantFrom('"', ",", "\n", "\r", "x") }));
  const records = fc.array(fc.array(field, { minLength: 2, maxLength: 5 }), { maxLength: 5 });
  const quoted = (text: string) => `"${text.replaceAll('"', '""')}"`;
  fc.assert(
    fc.property(records, fc.constantFrom("\n", "\r\n"), (written, lineEnd) => {
      expect(fieldsOf(written.map((it) => it.map(quoted).join(",")).join(lineEnd))).toEqual(written);
    }),
  );
});
