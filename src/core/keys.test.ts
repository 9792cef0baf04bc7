import { createHash } from "node:crypto";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { canonicalText } from "./codec.ts";
import type { CodedError } from "./errors.ts";
import type { StepName } from "./job.ts";
import {
  childKey,
  deriveRecordKey,
  deriveStepKey,
  fingerprint,
  keyRoles,
  messageKey,
  type Sha256,
  type StepKeyParts,
  validateBusinessKey,
  validateJobName,
  validateNamespace,
  validateScope,
  validateStepName,
} from "./keys.ts";

const sha256: Sha256 = (text) => createHash("sha256").update(text, "utf8").digest();
const codeOf = (run: () => unknown): string => {
  try {
    run();
  } catch (error) {
    return (error as CodedError).code;
  }
  return "nothing thrown";
};

const parts: StepKeyParts = {
  namespace: "default",
  job: "place-order",
  businessKey: "A-17",
  executionId: "0198c0de-0000-7000-8000-000000000001",
  round: 0,
  step: "charge",
  role: "action",
};

// FROZEN. These values stand in the databases of payment providers and in barrier tables. If one of them changes, an effect
// that has happened will happen again. Never update them; a new derivation gets a new prefix and new values beside these.
const golden: readonly (readonly [Partial<StepKeyParts>, string])[] = [
  [{}, "mg1GQce9whCHt4p-B4tr8TKsQ6bmOZmelNpfZBSfc3GTvE"],
  [{ role: "compensation" }, "mg1PzUK-4MuDGuXmp8Ud0F2sYHLtzeoLSsByH1s1y7BIgM"],
  [{ role: "try" }, "mg1j8lgMg32BNmnyUWeXORSC_C4kOgmICWsT9TKIZ4clb0"],
  [{ role: "confirm" }, "mg1ybRmCYTpg4XxYqFY9jyA7USmU_3a9CcUi-KkEto5ZtA"],
  [{ role: "cancel" }, "mg1hmacSa7QmqTLJmSk-IF4zzP0M05jbkKLFLG6FOPNjsY"],
  [{ round: 1 }, "mg17KGmK9lT-P9semIYs-16OJ_JtbaPtkUyr_VoWyJ3X9o"],
  [{ step: "take stock", stepId: "p-1" }, "mg1eCNLNZg8FzO0L6VjVp7zu-nGtYi2Nt_vKZy4rsnc29E"],
  [{ businessKey: undefined }, "mg1ImVYLQqzNkzq2va_IzZ8oJvXKDn3bc5di_P4Jrhnjcs"],
  [
    { namespace: "测试", job: "下单", businessKey: '订单"17\\\n😀', step: "扣 库存", stepId: "é" },
    "mg1r3l28_6MzVs7oQn9J4MlhRtA69nVlOAKpi0_ipOWQQM",
  ],
];

describe("a step's key", () => {
  test.each(golden)("is frozen: %o", (change, key) => {
    expect(deriveStepKey(sha256, { ...parts, ...change })).toBe(key);
  });

  test("hashes exactly the documented text", () => {
    const images: string[] = [];
    const spy: Sha256 = (text) => {
      images.push(text);
      return sha256(text);
    };
    deriveStepKey(spy, parts);
    deriveStepKey(spy, { ...parts, businessKey: undefined, round: 2, stepId: 'p"1', role: "cancel" });
    expect(images).toEqual([
      '["mg1","default","place-order",["key","A-17"],0,"charge",null,"action"]',
      '["mg1","default","place-order",["id","0198c0de-0000-7000-8000-000000000001"],2,"charge","p\\"1","cancel"]',
    ]);
  });

  test("is ASCII that headers and URLs take, at most 64 characters", () => {
    fc.assert(
      fc.property(fc.string({ unit: "grapheme" }), (step) =>
        /^mg1[A-Za-z0-9_-]{43}$/.test(deriveStepKey(sha256, { ...parts, step })),
      ),
    );
  });

  const anyParts: fc.Arbitrary<StepKeyParts> = fc.record({
    namespace: fc.constantFrom("a", "b", 'a","b'),
    job: fc.constantFrom("a", "b", "a,b"),
    businessKey: fc.constantFrom(undefined, "id", "a", "null", '"a"'),
    executionId: fc.constantFrom("a", "id", "null"),
    round: fc.constantFrom(0, 1, 10),
    step: fc.constantFrom("a", "a:b", "null"),
    stepId: fc.constantFrom(undefined, "a", "b", "null", ""),
    role: fc.constantFrom(...keyRoles),
  });
  test("is another for every other intent, round, step, id and role", () => {
    const meaning = ({ businessKey, executionId, ...rest }: StepKeyParts): unknown => [
      rest,
      businessKey === undefined ? { executionId } : { businessKey },
    ];
    fc.assert(
      fc.property(anyParts, anyParts, (a, b) => {
        const isSame = fc.stringify(meaning(a)) === fc.stringify(meaning(b));
        expect(deriveStepKey(sha256, a) === deriveStepKey(sha256, b)).toBe(isSame);
      }),
      { numRuns: 5_000 },
    );
  });

  test("does not depend on the execution where there is a business key", () => {
    expect(deriveStepKey(sha256, { ...parts, executionId: "another" })).toBe(deriveStepKey(sha256, parts));
  });
});

describe("a child's key", () => {
  const parent = { executionId: "0198c0de-0000-7000-8000-000000000001", step: "ship" };
  // FROZEN, like the keys above.
  test("is frozen, and fits a business key", () => {
    expect(childKey(sha256, parent)).toBe("mgc1ryXJekYYmgZQVXot1kGPHCfu614MoGmHuJ1CrU56m5M");
    expect(childKey(sha256, { ...parent, stepId: "1" })).toBe("mgc17EgMR8CAdb5iGISke6adjNSvkvjyrMOPdRL3m8w5rpE");
    expect(validateBusinessKey(childKey(sha256, parent))).toBe(childKey(sha256, parent));
  });
});

describe("the key of a job that a message starts", () => {
  const message = { topic: "order.placed", id: "A-17" };
  // FROZEN, like the keys above.
  test("is frozen, and fits a business key", () => {
    expect(messageKey(sha256, message)).toBe("mgm1MddIF_eSMBpLFXS2dx8PYLpZSDJnPhYnWtZmnQvboM0");
    expect(validateBusinessKey(messageKey(sha256, message))).toBe(messageKey(sha256, message));
  });

  test("is another for every topic and id", () => {
    const keys = [message, { ...message, id: "A-18" }, { ...message, topic: "order.paid" }];
    expect(new Set(keys.map((one) => messageKey(sha256, one))).size).toBe(3);
  });
});

describe("a fingerprint", () => {
  // FROZEN, like the keys above.
  test("is frozen", () => {
    const canonical = canonicalText({ b: 1, a: ["x", 2n] }, "input", { maxDepth: 64, maxBytes: 1_000 });
    expect(fingerprint(sha256, canonical)).toBe("1raMCJyYem1NFniSMDE-ksgcP-bAhsNUW2Ze-lREj3p");
    expect(fingerprint(sha256, "")).toMatch(/^1[A-Za-z0-9_-]{42}$/);
  });

  test("agrees with base64url as Node writes it", () => {
    fc.assert(
      fc.property(
        fc.string(),
        (text) =>
          fingerprint(sha256, text) === `1${createHash("sha256").update(text).digest("base64url").slice(0, 42)}`,
      ),
    );
  });
});

describe("a business key", () => {
  test("of 1 to 255 bytes passes as it is", () => {
    for (const key of ["A", " ", "汉".repeat(85), "a:b/c\n", "😀"]) expect(validateBusinessKey(key)).toBe(key);
  });

  test.each([[""], ["a".repeat(256)], ["汉".repeat(86)], ["a\0"], ["\ud83d"], [17], [null], [undefined], [{}]])(
    "%o is KEY_INVALID",
    (key) => {
      expect(codeOf(() => validateBusinessKey(key))).toBe("KEY_INVALID");
    },
  );

  test("is not shown in the error, since it may be a person's", () => {
    expect(() => validateBusinessKey(`mary@example.com${"x".repeat(300)}`)).toThrow(
      expect.not.objectContaining({ message: expect.stringContaining("mary") }),
    );
  });
});

describe("a step's name", () => {
  const valid: readonly (readonly [StepName, string, string | undefined, string])[] = [
    ["charge", "charge", undefined, "charge"],
    [["take stock", "p-1"], "take stock", "p-1", "take stock:p-1"],
    [["take stock", 17], "take stock", "17", "take stock:17"],
    [["take stock", -0], "take stock", "0", "take stock:0"],
    [["take stock", "a:b"], "take stock", "a:b", "take stock:a:b"],
    ["扣库存", "扣库存", undefined, "扣库存"],
  ];
  test.each(valid)("%o is read", (step, name, id, text) => {
    expect(validateStepName(step)).toEqual({ name, id, text });
  });

  const invalid: readonly unknown[] = [
    "",
    "a:b",
    ":pivot",
    "a\nb",
    "a\u0085b",
    "a\0",
    "\ud800",
    "a".repeat(201),
    "汉".repeat(67),
    [],
    ["a"],
    ["a", "b", "c"],
    ["", "b"],
    ["a", ""],
    ["a:b", "c"],
    ["a", "b\t"],
    ["a", "b".repeat(201)],
    ["a", 1.5],
    ["a", 2 ** 53],
    ["a", Number.NaN],
    ["a", null],
    ["a", 5n],
    [5, "a"],
    null,
    undefined,
    5,
    {},
  ];
  test.each(invalid.map((step) => [step]))("%o is STEP_NAME_INVALID", (step) => {
    expect(codeOf(() => validateStepName(step as StepName))).toBe("STEP_NAME_INVALID");
  });

  test("has a text of its own: no two identities share one", () => {
    const part = fc.string({ unit: fc.constantFrom("a", ":", "b"), minLength: 1, maxLength: 4 });
    const names: fc.Arbitrary<StepName> = fc.oneof(part, fc.tuple(part, part));
    fc.assert(
      fc.property(names, names, (a, b) => {
        try {
          const [one, other] = [validateStepName(a), validateStepName(b)];
          if (one.text === other.text) expect(one).toEqual(other);
        } catch (error) {
          expect((error as CodedError).code).toBe("STEP_NAME_INVALID");
        }
      }),
      { numRuns: 5_000 },
    );
  });

  test("is shown when it is refused, with the way out", () => {
    expect(() => validateStepName("take stock:p-1")).toThrow(
      /found "take stock:p-1"\. Put the changing part into an id/,
    );
  });
});

describe("the name of a job or a namespace", () => {
  test.each([
    "place-order",
    "a",
    "下单",
    "Bestätigung_2",
    "คำสั่งซื้อ",
    "आदेश",
    "team.orders/place-order",
    "__demo__",
    "2024",
    "a".repeat(100),
  ])("%s is a job's name", (name) => {
    expect(validateJobName(name)).toBe(name);
  });

  const invalid: readonly unknown[] = [
    "",
    "a b",
    "a:b",
    "/a",
    "a/",
    "a//b",
    "..",
    "../a",
    ".a",
    "a..b",
    "-x",
    "a\n",
    "a\0",
    "😀",
    "<b>",
    "a".repeat(101),
    "e\u0301",
    null,
    5,
    `${"a.".repeat(40)}!`,
  ];
  test.each(invalid.map((name) => [name]))("%o is JOB_NAME_INVALID", (name) => {
    expect(codeOf(() => validateJobName(name))).toBe("JOB_NAME_INVALID");
  });

  test("a namespace has no slash", () => {
    expect(validateNamespace("prod.eu-1")).toBe("prod.eu-1");
    expect(validateNamespace("测试")).toBe("测试");
    for (const name of ["a/b", "", "a b", "a".repeat(65), undefined])
      expect(codeOf(() => validateNamespace(name))).toBe("OPTION_INVALID");
  });
});

describe("a record's key downstream", () => {
  // FROZEN, as the keys above.
  test("is frozen, and another for each pair of scope and key", () => {
    expect(deriveRecordKey(sha256, { scope: "pay order", key: "A-17" })).toBe(
      "mgr1Z5nRT9eemSV7XHCVS0qGj3fF_31qY_DIG0Qb_BCkxeE",
    );
    const pairs = [
      ["a", "bc"],
      ["ab", "c"],
      ['a","b', "c"],
      ["abc", ""],
    ] as const;
    const keys = pairs.map(([scope, key]) => deriveRecordKey(sha256, { scope, key }));
    expect(new Set(keys).size).toBe(4);
  });

  test("scopes are texts of 1 to 255 bytes, without U+0000", () => {
    for (const scope of ["a", "x".repeat(255), "支付 \u{1f600}"]) expect(validateScope(scope)).toBe(scope);
    for (const scope of ["", "x".repeat(256), "é".repeat(128), "a\0", "\ud800", 7, undefined])
      expect(codeOf(() => validateScope(scope))).toBe("OPTION_INVALID");
  });
});
