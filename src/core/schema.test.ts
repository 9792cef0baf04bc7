import * as v from "valibot";
import { describe, expect, test } from "vitest";
import { z } from "zod";
import { InputError, OptionError } from "./errors.ts";
import { parseMarks } from "./redact.ts";
import { checkSchema, type Schema, type Validated, type ValidateOptions, validateInput } from "./schema.ts";
import { toStoredError } from "./stored-error.ts";

const fake = (validate: (value: unknown) => unknown): Schema<unknown, unknown> => ({
  "~standard": { version: 1, vendor: "fake", validate },
});
const now = (schema: Schema<unknown, unknown>, value: unknown, options?: ValidateOptions): Validated<unknown> => {
  const result = validateInput(schema, value, options);
  if (result instanceof Promise) throw new TypeError("expected an answer at once");
  return result;
};
const errorOf = (result: Validated<unknown>): InputError | OptionError => {
  if (result.ok) throw new TypeError("expected a refusal");
  return result.error;
};

const zodOrder = z.object({
  id: z.string(),
  at: z.iso.datetime().transform((text) => new Date(text)),
  lines: z.array(z.object({ qty: z.number() })),
});
const valibotOrder = v.object({
  id: v.string(),
  at: v.pipe(
    v.string(),
    v.transform((text) => new Date(text)),
  ),
  lines: v.array(v.object({ qty: v.number() })),
});

describe.each([
  ["zod", zodOrder],
  ["valibot", valibotOrder],
] as const)("an input checked by %s", (_, schema) => {
  test("is the schema's output, at once", () => {
    expect(now(schema, { id: "A", at: "2026-01-02T03:04:05Z", lines: [{ qty: 1 }] })).toEqual({
      ok: true,
      value: { id: "A", at: new Date("2026-01-02T03:04:05Z"), lines: [{ qty: 1 }] },
    });
  });

  test("that is wrong is INPUT_INVALID with the path of each issue", () => {
    const error = errorOf(
      now(schema, { id: 5, at: "2026-01-02T03:04:05Z", lines: [{ qty: 1 }, { qty: "x" }] }, { what: "input of pay" }),
    );
    expect(error).toBeInstanceOf(InputError);
    expect(error.code).toBe("INPUT_INVALID");
    expect(error.message).toMatch(/^input of pay does not satisfy its schema: id: .+; lines\[1\]\.qty: .+/);
    expect(error.details).toMatchObject({
      what: "input of pay",
      issueCount: 2,
      issues: [{ path: "id" }, { path: "lines[1].qty" }],
    });
  });
});

test("a library that answers later is answered later", async () => {
  const schema = z.object({ id: z.string() }).refine(async (order) => order.id !== "taken", "is taken");
  const result = validateInput(schema, { id: "free" });
  expect(result).toBeInstanceOf(Promise);
  expect(await result).toEqual({ ok: true, value: { id: "free" } });
  expect(errorOf(await validateInput(schema, { id: "taken" })).message).toBe(
    "input does not satisfy its schema: is taken",
  );
});

describe("an input with marked places", () => {
  const marks = parseMarks(["card", "lines.*.iban"]);

  test("keeps the path of an issue there and loses its message", () => {
    const schema = v.object({
      card: v.object({ number: v.literal("x") }),
      lines: v.array(v.object({ iban: v.literal("y") })),
    });
    const error = errorOf(
      now(schema, { card: { number: "4111111111111111" }, lines: [{ iban: "DE89370400440532013000" }] }, { marks }),
    );
    expect(error.details).toMatchObject({
      issues: [
        { path: "card.number", message: "[redacted]" },
        { path: "lines[0].iban", message: "[redacted]" },
      ],
    });
    expect(JSON.stringify(error.details) + error.message).not.toMatch(/4111|DE89/);
  });

  test("loses what stands there from the messages of other issues, too", () => {
    const schema = z
      .looseObject({ name: z.string() })
      .refine(() => false, { error: (issue) => `bad order ${JSON.stringify(issue.input)}` });
    const error = errorOf(now(schema, { name: "Mary", card: { number: "4111111111111111" } }, { marks }));
    expect(error.message).toBe(
      'input does not satisfy its schema: bad order {"name":"Mary","card":{"number":"[redacted]"}}',
    );
  });

  test("loses it from what a schema throws", () => {
    const schema = fake((value) => {
      throw new Error(`cannot read ${JSON.stringify(value)}`);
    });
    const error = errorOf(now(schema, { card: "4111111111111111" }, { marks }));
    expect(error.code).toBe("INPUT_INVALID");
    expect(JSON.stringify(toStoredError(error))).not.toContain("4111");
  });
});

describe("a hostile schema", () => {
  test("that throws or rejects makes the input INPUT_INVALID", async () => {
    const cause = new Error("boom");
    const thrown = errorOf(
      now(
        fake(() => {
          throw cause;
        }),
        1,
      ),
    );
    expect(thrown).toMatchObject({
      code: "INPUT_INVALID",
      message: "input: its schema threw while reading it: boom",
      cause,
    });
    expect(
      errorOf(
        await validateInput(
          fake(() => Promise.reject(undefined)),
          1,
        ),
      ),
    ).toMatchObject({ code: "INPUT_INVALID", message: expect.stringMatching(/undefined$/) });
  });

  const throwing = {
    get issues(): unknown {
      throw new Error("no");
    },
  };
  test("whose answer cannot be read makes the input INPUT_INVALID", async () => {
    expect(
      errorOf(
        now(
          fake(() => throwing),
          1,
        ),
      ).code,
    ).toBe("INPUT_INVALID");
    expect(
      errorOf(
        now(
          fake(() => ({
            issues: [
              throwing,
              {
                get message(): string {
                  throw new Error("no");
                },
              },
            ],
          })),
          1,
        ),
      ).code,
    ).toBe("INPUT_INVALID");
    expect(
      errorOf(
        await validateInput(
          fake(async () => throwing),
          1,
        ),
      ).code,
    ).toBe("INPUT_INVALID");
  });

  test.each([undefined, null, true, "ok", {}, { issues: null }, { issues: "bad" }, { issues: {} }, { output: 1 }])(
    "that answers %o is OPTION_INVALID",
    async (answer) => {
      expect(
        errorOf(
          now(
            fake(() => answer),
            1,
          ),
        ).code,
      ).toBe("OPTION_INVALID");
      expect(
        errorOf(
          await validateInput(
            fake(async () => answer),
            1,
          ),
        ).code,
      ).toBe("OPTION_INVALID");
    },
  );

  test("that answers no issues at all, or nonsense for issues, still refuses", () => {
    expect(
      errorOf(
        now(
          fake(() => ({ issues: [] })),
          1,
        ),
      ).message,
    ).toBe("input does not satisfy its schema");
    expect(
      errorOf(
        now(
          fake(() => ({
            issues: [null, 5, { message: 5, path: "x" }, { message: "m", path: [{ key: "a" }, 0, Symbol("s")] }],
          })),
          1,
        ),
      ).details,
    ).toMatchObject({
      issues: [
        { path: "", message: "the schema gave no message" },
        { path: "" },
        { path: "" },
        { path: 'a[0]["Symbol(s)"]', message: "m" },
      ],
    });
  });

  test("with a million issues shows twenty", () => {
    const issues = Array.from({ length: 1_000_000 }, () => ({ message: "x".repeat(1_000) }));
    const error = errorOf(
      now(
        fake(() => ({ issues })),
        1,
      ),
    );
    expect(error.details).toMatchObject({ issueCount: 1_000_000 });
    expect(error.message).toMatch(/; and 999980 more$/);
    expect(error.message.length).toBeLessThan(7_000);
  });

  test.each([
    [null],
    [undefined],
    [5],
    [{}],
    [() => 1],
    [{ "~standard": { version: 2, validate: () => 1 } }],
    [{ "~standard": { version: 1 } }],
  ])("that is none (%o) is OPTION_INVALID", (schema) => {
    expect(() => checkSchema(schema, "job.input")).toThrow(OptionError);
    expect(errorOf(now(schema as never, 1)).code).toBe("OPTION_INVALID");
  });

  test("that is a function with the property is one, as ArkType's are", () => {
    const schema = Object.assign(
      () => 1,
      fake((value) => ({ value })),
    );
    expect(now(schema, 7)).toEqual({ ok: true, value: 7 });
  });
});

// Checked by the compiler: input and output are inferred from both libraries.
const inferred = <I, O>(_: Schema<I, O>): { input?: I; output?: O } => ({});
test("the types of input and output are those of the library", () => {
  const fromZod = inferred(zodOrder);
  fromZod.input satisfies { id: string; at: string; lines: { qty: number }[] } | undefined;
  fromZod.output satisfies { id: string; at: Date; lines: { qty: number }[] } | undefined;
  const fromValibot = inferred(valibotOrder);
  fromValibot.input satisfies { id: string; at: string; lines: { qty: number }[] } | undefined;
  fromValibot.output satisfies { id: string; at: Date; lines: { qty: number }[] } | undefined;
  // @ts-expect-error the input's `at` is a text
  fromZod.input satisfies { at: Date } | undefined;
  expect(fromValibot).toEqual({});
});
