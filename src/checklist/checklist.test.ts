import { DatabaseSync } from "node:sqlite";
import { describe, expect, it } from "vitest";
import * as z from "zod";
import { job, signal } from "../core/define.ts";
import type { AnyJob, CheckPoint, Context, JobOptions } from "../core/job.ts";
import { onMessage, topic } from "../core/message.ts";
import { every } from "../core/schedule/trigger.ts";
import { reconcile } from "../index.ts";
import { nodeSqlite } from "../participant/adapters/node-sqlite.ts";
import { participant } from "../participant/participant.ts";
import { type ChecklistOptions, checklist } from "./checklist.ts";
import type { Finding, JobReport, PointReport } from "./report.ts";

interface Order {
  readonly id: string;
  readonly kind: string;
  readonly express: boolean;
  readonly lines: readonly { readonly code: string }[];
}
type Body = (ctx: Context, order: Order) => unknown;

const db = participant("shop", nodeSqlite(new DatabaseSync(":memory:")));
const keyOf = (order: Order): string => order.id;
const make = (body: Body, options: JobOptions<Order, Order> = { key: keyOf }): AnyJob =>
  job<Order>("place-order", options, body as never);

async function check(checked: AnyJob, options: ChecklistOptions = {}): Promise<JobReport> {
  const [report] = (await checklist([checked], options)).jobs;
  return report as JobReport;
}
const pointOf = (report: JobReport, point: CheckPoint): PointReport =>
  report.points.find((one) => one.point === point) as PointReport;
async function ask(point: CheckPoint, body: Body, options?: JobOptions<Order, Order>) {
  const { status, severity, findings, evidence } = pointOf(await check(make(body, options)), point);
  return { status, severity, codes: findings.map(({ code }: Finding) => code), evidence: evidence.join("; ") };
}

const keyed = ({ key }: { readonly key: string }): string => key;
/** An undo that does something. */
const putBack = (): string => "put back";
const undone = { run: keyed, compensate: keyed } as const;
const never = { run: keyed, irreversible: "it is read" } as const;

describe("executed before?", () => {
  const nothing: Body = (ctx) => ctx.step("one", undone);
  it("is derived from a key of business data", async () => {
    expect(await ask("executed before", nothing)).toMatchObject({ status: "derived", severity: "ok" });
    expect((await ask("executed before", nothing)).evidence).toContain("‹input.id›");
  });
  it.each<readonly [string, (order: Order) => string]>([
    ["the clock", (order) => `${order.id} ${Date.now()}`],
    ["a date", (order) => `${order.id} ${new Date().getFullYear()}`],
    ["chance", (order) => `${order.id} ${Math.random()}`],
    ["a fresh id", (order) => `${order.id} ${crypto.randomUUID()}`],
  ])("is an error where the key is made of %s", async (_, key) => {
    expect(await ask("executed before", nothing, { key })).toMatchObject({
      severity: "error",
      codes: ["KEY_UNSTABLE"],
    });
  });
  it("is unknown without a key", async () => {
    expect(await ask("executed before", nothing, {})).toMatchObject({
      status: "unknown",
      severity: "warning",
      codes: ["NO_KEY"],
    });
  });
  it("is unknown where the key cannot be made of an unknown input, and derived from a sample", async () => {
    const options = { key: (order: Order) => new Date(order.id).toISOString() };
    expect(await ask("executed before", nothing, options)).toMatchObject({
      status: "unknown",
      codes: ["KEY_UNREADABLE"],
    });
    const order = { id: "2026-11-22", kind: "", express: true, lines: [] };
    const report = await check(make(nothing, options), { samples: { "place-order": [order] } });
    expect(pointOf(report, "executed before")).toMatchObject({ status: "derived", findings: [] });
  });
  it("is derived for a job that only messages or the time start", async () => {
    const placed = topic("order.placed");
    const byMessage = job("award", { on: [onMessage(placed)] }, async () => {});
    expect(pointOf(await check(byMessage), "executed before")).toMatchObject({ status: "derived", severity: "ok" });
    const byTime = job("nightly", { on: [every("1h")] }, async () => {});
    expect(pointOf(await check(byTime), "executed before").evidence).toEqual(["each fire starts it once"]);
  });
  it("is declared by a natural effect", async () => {
    expect(await ask("executed before", nothing, { effect: "natural" })).toMatchObject({
      status: "declared",
      codes: [],
    });
  });
});

describe("idempotent?", () => {
  it.each<readonly [string, Body, string]>([
    ["a transaction in a database", (ctx) => ctx.tx(db, "one", { run: () => {}, compensate: putBack }), "derived"],
    ["a call that hands its key on", (ctx) => ctx.step("one", undone), "derived"],
    [
      "a call that sends its headers",
      (ctx) => ctx.step("one", { ...undone, run: (step) => step.headers() }),
      "derived",
    ],
    [
      "a call that is declared recorded",
      (ctx) => ctx.step("one", { ...never, run: () => {}, effect: "recorded" }),
      "declared",
    ],
    [
      "a call that is declared natural",
      (ctx) => ctx.step("one", { ...never, run: () => {}, effect: "natural" }),
      "declared",
    ],
  ])("is known of %s", async (_, body, status) => {
    expect(await ask("idempotent", body)).toMatchObject({ status, severity: "ok", codes: [] });
  });
  it.each<readonly [string, Body, string, string]>([
    [
      "an error: retries without a key",
      (ctx) => ctx.step("one", { ...never, run: () => {} }),
      "error",
      "RETRY_WITHOUT_KEY",
    ],
    [
      "a warning: a repeat after a crash without a key",
      (ctx) => ctx.step("one", { ...never, run: () => {}, retry: { maxAttempts: 1 } }),
      "warning",
      "REPEAT_WITHOUT_KEY",
    ],
    [
      "an error: declared keyed, and takes no key",
      (ctx) => ctx.step("one", { ...never, run: () => {}, effect: "keyed" }),
      "error",
      "EFFECT_CONTRADICTED",
    ],
    [
      "a warning: undone without a key",
      (ctx) => ctx.step("one", { run: keyed, compensate: putBack }),
      "warning",
      "UNDO_WITHOUT_KEY",
    ],
    [
      "an error: a step that is called something else at another time",
      (ctx) => ctx.step(["one", String(Date.now())], undone),
      "error",
      "KEY_UNSTABLE",
    ],
    [
      "an error: a step that is called something else in another run",
      (ctx) => ctx.step(["one", crypto.randomUUID()], undone),
      "error",
      "KEY_UNSTABLE",
    ],
    [
      "an error: one name for two steps",
      async (ctx) => {
        await ctx.step("one", undone);
        await ctx.step("one", undone);
      },
      "error",
      "STEP_NAME_REUSED",
    ],
  ])("is %s", async (_, body, severity, code) => {
    expect(await ask("idempotent", body)).toMatchObject({ severity, codes: [code] });
  });
  it("is unknown where it cannot be seen what a body takes", async () => {
    const run = keyed.bind(null);
    expect(await ask("idempotent", (ctx) => ctx.step("one", { ...never, run }))).toMatchObject({
      status: "unknown",
      codes: ["KEY_USE_UNKNOWN"],
    });
  });
  it("is unknown of a job without steps, unless its effect is declared", async () => {
    expect(await ask("idempotent", () => {})).toMatchObject({
      status: "unknown",
      codes: ["NO_STEPS", "NOT_SEEN_WHOLE"],
    });
    expect(await ask("idempotent", () => {}, { effect: "natural" })).toMatchObject({ status: "declared", codes: [] });
  });
  it("takes time and chance of the context for what they are: the same in every replay", async () => {
    const body: Body = (ctx) => ctx.step(["one", `${ctx.now.getTime()} ${ctx.random()}`], undone);
    expect(await ask("idempotent", body)).toMatchObject({ status: "derived", severity: "ok" });
  });
});

describe("legal transitions?", () => {
  it("is unknown where a machine seems to move the row, and shows the hint", async () => {
    const order = { move: (_tx: unknown, _row: unknown): void => {} };
    const moving: Body = (ctx) => ctx.tx(db, "one", { run: (tx) => order.move(tx, { id: 1 }), compensate: putBack });
    expect(await ask("transitions", moving)).toEqual({
      status: "unknown",
      severity: "warning",
      codes: ["TRANSITIONS_UNKNOWN"],
      evidence: 'a hint: "one" may move its row by a state machine or a version',
    });
  });
  it("is unknown where a statement sets the state, and where nothing is seen", async () => {
    const byHand: Body = (ctx) =>
      ctx.tx(db, "one", {
        run: (tx) => void tx.prepare("UPDATE orders SET state = 'paid'").run(),
        compensate: putBack,
      });
    expect(await ask("transitions", byHand)).toMatchObject({ status: "unknown", codes: ["STATE_SET_BY_HAND"] });
    const insert = (): void => {};
    const hidden: Body = (ctx) => ctx.tx(db, "one", { run: insert, compensate: putBack });
    expect(await ask("transitions", hidden)).toMatchObject({ status: "unknown", codes: ["TRANSITIONS_UNKNOWN"] });
  });
  it("is declared by the author's word", async () => {
    const hidden: Body = (ctx) => ctx.tx(db, "one", { run: () => {}, compensate: putBack });
    const options = { key: keyOf, checklist: { transitions: "it only inserts" } };
    expect(await ask("transitions", hidden, options)).toMatchObject({
      status: "declared",
      severity: "ok",
      evidence: "it only inserts",
    });
  });
});

describe("compensated?", () => {
  it("is derived of a saga that undoes before its pivot and cannot fail behind it", async () => {
    const body: Body = async (ctx, { lines }) => {
      await ctx.tx(db, "create", { run: () => {}, compensate: putBack });
      for (const line of lines) await ctx.step(["take", line.code], undone);
      await ctx.tcc("freeze", { try: keyed, confirm: keyed, cancel: keyed });
      await ctx.pivot();
      await ctx.step("text", never);
      await ctx.step("note", { run: keyed });
    };
    expect(await ask("compensated", body)).toMatchObject({ status: "derived", severity: "ok", codes: [] });
  });
  it.each<readonly [string, Body, string]>([
    [
      "no compensation before the pivot",
      async (ctx) => {
        await ctx.step("one", { run: keyed });
        await ctx.step("two", undone);
        await ctx.pivot();
      },
      "NO_COMPENSATION",
    ],
    [
      "no compensation before the pivot that a return implies",
      (ctx) => ctx.tx(db, "one", { run: () => {} }),
      "NO_COMPENSATION",
    ],
    [
      "a compensation behind the pivot",
      async (ctx) => {
        await ctx.pivot();
        await ctx.step("one", undone);
      },
      "COMPENSATION_AFTER_PIVOT",
    ],
    [
      "an irreversible step before one that can fail",
      async (ctx) => {
        await ctx.step("text", never);
        await ctx.step("charge", undone);
      },
      "IRREVERSIBLE_TOO_EARLY",
    ],
    [
      "an irreversible step in a loop",
      async (ctx, { lines }) => {
        for (const line of lines) await ctx.step(["text", line.code], never);
        await ctx.tx(db, "create", { run: () => {}, compensate: putBack });
      },
      "IRREVERSIBLE_TOO_EARLY",
    ],
    [
      "an irreversible step before a child that can fail",
      async (ctx) => {
        await ctx.step("text", never);
        await (
          await ctx.start(
            job("child", {}, async () => {}),
            undefined,
          )
        ).result();
      },
      "IRREVERSIBLE_TOO_EARLY",
    ],
    [
      "a reservation behind the pivot",
      async (ctx) => {
        await ctx.pivot();
        await ctx.tcc("freeze", { try: keyed, confirm: keyed, cancel: keyed });
      },
      "RESERVATION_AFTER_PIVOT",
    ],
    [
      "a mistake on a path that only a missing value leads to",
      async (ctx, { express }) => {
        if (!express) await ctx.step("text", { run: keyed });
        await ctx.step("charge", undone);
      },
      "NO_COMPENSATION",
    ],
    [
      "a mistake on a path that only a refusal leads to",
      async (ctx) => {
        const answer = await ctx.attempt("reserve", undone);
        if (!answer.ok) await ctx.step("text", { run: keyed });
      },
      "NO_COMPENSATION",
    ],
    [
      "a mistake on a path that only a time-out leads to",
      async (ctx) => {
        const reply = await ctx.waitFor(signal("paid"), { timeout: "1h" });
        if (reply.kind === "timed-out") await ctx.step("text", { run: keyed });
      },
      "NO_COMPENSATION",
    ],
  ])("is an error for %s", async (_, body, code) => {
    expect(await ask("compensated", body)).toMatchObject({ severity: "error", codes: [code] });
  });
  it("is a warning for an irreversible step of which a repeat does no harm, such as a read", async () => {
    const body: Body = async (ctx) => {
      await ctx.step("read", { run: keyed, effect: "natural", irreversible: "it only reads" });
      await ctx.step("charge", undone);
    };
    expect(await ask("compensated", body)).toMatchObject({ severity: "warning", codes: ["IRREVERSIBLE_TOO_EARLY"] });
  });
  it("is a warning for a job whose failures wait for a person", async () => {
    const options = { key: keyOf, onFailure: "park" } as const;
    expect(await ask("compensated", (ctx) => ctx.step("one", { run: keyed }), options)).toMatchObject({
      severity: "warning",
      codes: ["NO_COMPENSATION"],
    });
  });
  it("is an error though the author says otherwise", async () => {
    const options = { key: keyOf, checklist: { compensated: "all is well" } };
    expect(await ask("compensated", (ctx) => ctx.step("one", { run: keyed }), options)).toMatchObject({
      status: "derived",
      codes: ["NO_COMPENSATION"],
    });
  });
});

describe("traceable?", () => {
  const body: Body = (ctx) => ctx.step("one", undone);
  it("is derived of a job with a key or attributes", async () => {
    expect(await ask("traceable", body)).toMatchObject({ status: "derived", severity: "ok" });
    const options = { attributes: (order: Order) => ({ order: order.id }) };
    expect(await ask("traceable", body, options)).toMatchObject({ status: "derived", severity: "ok" });
  });
  it("is a warning for a job whose executions bear no name", async () => {
    expect(await ask("traceable", body, {})).toMatchObject({ severity: "warning", codes: ["NOT_FINDABLE"] });
  });
});

describe("timeout?", () => {
  it("is derived from the defaults, and declared by options", async () => {
    const body: Body = (ctx) => ctx.step("one", undone);
    expect(await ask("timeout", body)).toMatchObject({ status: "derived", severity: "ok" });
    expect(await ask("timeout", body, { key: keyOf, timeout: "1h" })).toMatchObject({ status: "declared", codes: [] });
  });
  it("is an error for calls that may take for ever", async () => {
    const options = { key: keyOf, attemptTimeout: 0 };
    expect(await ask("timeout", (ctx) => ctx.step("one", undone), options)).toMatchObject({
      severity: "error",
      codes: ["NO_TIMEOUT"],
    });
    const limited: Body = (ctx) => ctx.step("one", { ...undone, timeout: "5s" });
    expect(await ask("timeout", limited, options)).toMatchObject({ severity: "ok" });
  });
  it("is a warning for waits without an end, unless the job has one", async () => {
    const body: Body = async (ctx) => {
      await ctx.step("one", undone);
      await ctx.waitFor(signal("paid"));
    };
    expect(await ask("timeout", body)).toMatchObject({ severity: "warning", codes: ["WAITS_FOR_EVER"] });
    expect(await ask("timeout", body, { key: keyOf, timeout: "2d" })).toMatchObject({ severity: "ok", codes: [] });
  });
});

describe("concurrency?", () => {
  it("is declared by the job's option", async () => {
    const options = { key: keyOf, concurrency: { strategy: "serial" as const, key: keyOf } };
    expect(await ask("concurrency", (ctx) => ctx.step("one", undone), options)).toMatchObject({
      status: "declared",
      severity: "ok",
    });
  });
  it("is unknown where a step seems to lock or version its row, and shows the hint", async () => {
    const shop = { updateVersioned: (_tx: unknown): void => {} };
    const body: Body = (ctx) => ctx.tx(db, "one", { run: (tx) => shop.updateVersioned(tx), compensate: putBack });
    expect(await ask("concurrency", body)).toMatchObject({
      status: "unknown",
      severity: "warning",
      codes: ["CONCURRENCY_UNKNOWN"],
      evidence: expect.stringContaining('a hint: "one" may lock or version its row'),
    });
  });
  it("is declared where a repeat does no harm", async () => {
    const body: Body = (ctx) => ctx.step("one", { ...undone, effect: "natural" });
    expect(await ask("concurrency", body)).toMatchObject({ status: "declared", severity: "ok" });
  });
  it("is unknown where nothing keeps executions of different keys apart", async () => {
    const body: Body = (ctx) => ctx.tx(db, "one", { run: () => {}, compensate: putBack });
    expect(await ask("concurrency", body)).toMatchObject({ status: "unknown", codes: ["CONCURRENCY_UNKNOWN"] });
  });
});

// For each point jobs that are bad at it, and bear the names of what is good.
describe("a good name alone makes nothing good:", () => {
  const never = { irreversible: "it is read" } as const;
  const send = (..._: readonly unknown[]): string => "sent";
  const order = { id: "A-17", key: "A-17", headers: (): object => ({ "Idempotency-Key": "none" }) };
  const idempotencyKey = "always the same";
  const named: readonly (readonly [CheckPoint, string, Body, JobOptions<Order, Order>?])[] = [
    [
      "executed before",
      "a key function of a good name that gives a fresh one",
      (ctx) => ctx.step("one", undone),
      {
        key: function stableBusinessKey() {
          return crypto.randomUUID();
        },
      },
    ],
    [
      "executed before",
      "a key that says nothing of the input",
      (ctx) => ctx.step("one", undone),
      { key: () => "order id" },
    ],
    ["idempotent", "headers of another", (ctx) => ctx.step("one", { ...never, run: () => send(order.headers()) })],
    [
      "idempotent",
      "a key of another",
      (ctx) => ctx.step("one", { ...never, run: ({ signal }) => send(order.key, signal) }),
    ],
    ["idempotent", "a constant", (ctx) => ctx.step("one", { ...never, run: () => send({ idempotencyKey }) })],
    [
      "idempotent",
      "a key that is taken and not used",
      (ctx) => ctx.step("one", { ...never, run: ({ key: _ }) => send() }),
    ],
    [
      "idempotent",
      "a key that is only logged",
      (ctx) =>
        ctx.step("one", {
          ...never,
          run: ({ key }) => {
            console.log("key", key);
            return send();
          },
        }),
    ],
    [
      "idempotent",
      "a key in a comment or a text",
      (ctx) => ctx.step("one", { ...never, run: (_step) => send("key: _step.key") /* _step.key */ }),
    ],
    [
      "idempotent",
      "a transaction that calls somebody",
      (ctx) => ctx.tx(db, "one", { run: () => void fetch("http://127.0.0.1:9/key"), compensate: putBack }),
    ],
    [
      "transitions",
      "somebody's `move`",
      (ctx) => {
        const robot = { move: send };
        return ctx.tx(db, "one", { run: (tx) => robot.move(tx), compensate: putBack });
      },
    ],
    [
      "transitions",
      "a comment about a machine",
      (ctx) => ctx.tx(db, "one", { run: () => send() /* not yet: order.move(tx, …) */, compensate: putBack }),
    ],
    ["transitions", "a call that is no transaction, and sets a state", (ctx) => ctx.step("move legally", undone)],
    ["compensated", "an empty compensation", (ctx) => ctx.tx(db, "one", { run: () => send(), compensate: () => {} })],
    [
      "compensated",
      "an empty cancel",
      (ctx) => ctx.tcc("one", { try: keyed, confirm: keyed, cancel: async () => undefined }),
    ],
    [
      "compensated",
      "a step that is called after its undoing",
      async (ctx) => {
        await ctx.step("take stock", { run: keyed });
        await ctx.step("compensate stock", undone);
      },
    ],
    ["traceable", "attributes that are none", (ctx) => ctx.step("one", undone), { attributes: () => ({}) }],
    [
      "traceable",
      "attributes that say nothing of the order",
      (ctx) => ctx.step("one", undone),
      { attributes: () => ({ order: "an order" }) },
    ],
    [
      "traceable",
      "a key that is another each time",
      (ctx) => ctx.step("one", undone),
      { key: () => `order ${crypto.randomUUID()}` },
    ],
    [
      "timeout",
      "a body that makes a timeout of its own",
      (ctx) =>
        ctx.step("with timeout", {
          ...undone,
          run: ({ key }) => send(key, AbortSignal.timeout(1_000)),
        }),
      { key: keyOf, attemptTimeout: 0, timeout: "1h" },
    ],
    [
      "concurrency",
      "somebody's `once`",
      (ctx) => {
        const emitter = { once: send };
        return ctx.tx(db, "one", { run: () => emitter.once("lock"), compensate: putBack });
      },
    ],
    [
      "concurrency",
      "a lock in a comment",
      (ctx) => ctx.tx(db, "one", { run: () => send() /* shop.lock(…) FOR UPDATE */, compensate: putBack }),
    ],
  ];
  const cases = named.map(([point, what, body, options]) => ({ point, what, body, options }));
  it.each(cases)("$point: $what", async ({ point, body, options }) => {
    const { status, severity } = await ask(point, body, options);
    expect({ status, severity }).not.toMatchObject({ severity: "ok" });
    if (severity === "warning") expect(status).toBe("unknown");
  });
});

describe("what was not seen", () => {
  const points = ["idempotent", "transitions", "compensated", "timeout", "concurrency"] as const;
  const vip: Body = async (ctx, { kind }) => {
    if (kind === "vip") await ctx.step("text", { run: keyed });
    await ctx.step("charge", undone);
  };

  it.each(points)("leaves unknown, never good: %s", async (point) => {
    const { status, severity, codes } = await ask(point, vip);
    expect({ status, severity }).toEqual({ status: "unknown", severity: "warning" });
    expect(codes).toContain("NOT_SEEN_WHOLE");
  });
  it("is seen with a sample that leads there", async () => {
    const sample = { id: "A-17", kind: "vip", express: false, lines: [] };
    const report = await check(make(vip), { samples: { "place-order": [sample] } });
    expect(pointOf(report, "compensated")).toMatchObject({ status: "derived", severity: "error" });
    expect(report.steps).toEqual(["text", "charge"]);
  });
  it.each<readonly [string, Body, RegExp]>([
    ["the context is handed on", (ctx) => helper(ctx), /ctx is handed to another function/],
    ["the context is copied", (ctx) => helper({ ...ctx }), /ctx is handed to another function/],
    ["the context is taken apart", ({ step }) => step("one", undone), /the context is taken apart/],
    ["the function fails", (ctx, { id }) => ctx.step(`${JSON.parse(`${id}!`)}`, undone), /a run ended early/],
    [
      "the function waits for something else",
      async (ctx) => {
        await new Promise(() => {});
        await ctx.step("one", undone);
      },
      /0 of 1 calls .* it waits for something outside of the context/,
    ],
  ])("is told where %s", async (_, body, message) => {
    const { points } = await check(make(body));
    const gaps = points.flatMap(({ findings }) => findings).filter(({ code }) => code === "NOT_SEEN_WHOLE");
    expect(gaps[0]?.message).toMatch(message);
  });
  it("is not what stands in comments and texts", async () => {
    const body: Body = (ctx) =>
      ctx.step("one", { run: ({ key }) => [key, "ctx.step("] /* ctx.tx( */, compensate: keyed });
    expect(await ask("compensated", body)).toMatchObject({ status: "derived", severity: "ok" });
  });
});

const helper = (ctx: Context): Promise<unknown> => ctx.step("one", undone);

describe("a dry run", () => {
  it("calls no body of a step", async () => {
    const called: string[] = [];
    const call = (name: string) => (): void => void called.push(name);
    await check(
      make(async (ctx) => {
        await ctx.tx(db, "a", { run: call("a"), compensate: call("a undo") });
        await ctx.attempt("b", { run: call("b"), compensate: call("b undo") });
        await ctx.tcc("c", { try: call("try"), confirm: call("confirm"), cancel: call("cancel") });
        const child = await ctx.start(job("child", {}, call("child")), undefined);
        await child.result();
      }),
    );
    expect(called).toEqual([]);
  });
  it("goes through loops, callbacks and what is done at once", async () => {
    const { steps, points } = await check(
      make(async (ctx, { lines }) => {
        for (const line of lines) await ctx.step(["loop", line.code], undone);
        await Promise.all(lines.map((line) => ctx.step(["map", line.code], undone)));
        for (const line of lines.filter((one) => one.code)) await ctx.step(["filter", line.code], undone);
        let page: unknown = "1";
        while (page) page = await ctx.step(["page", String(page)], undone);
      }),
    );
    expect(steps.slice(0, 3)).toEqual([
      "loop:‹input.lines[].code›",
      "map:‹input.lines[].code›",
      "filter:‹input.lines[].code›",
    ]);
    expect(points.find(({ point }) => point === "compensated")).toMatchObject({ severity: "ok" });
  });
  it("sees a job that was fired, and one that was not", async () => {
    const { steps } = await check(
      make(async (ctx) => {
        if (ctx.scheduledAt === null) await ctx.step("by hand", undone);
        else await ctx.step(["at", ctx.scheduledAt.toISOString()], undone);
      }),
    );
    expect(steps).toEqual(["at:2026-01-01T00:00:00.000Z", "by hand"]);
  });
  it("leaves clock and chance as they were", async () => {
    const [before, { random }] = [Date, Math];
    await check(make((ctx) => ctx.step("one", undone)));
    expect([Date, Math.random]).toEqual([before, random]);
  });
});

describe("the level", () => {
  it.each<readonly [string, Body, JobOptions<Order, Order>]>([
    ["natural", (ctx) => ctx.step("one", { ...never, effect: "natural" }), { key: keyOf }],
    ["recorded", (ctx) => ctx.step("one", undone), { key: keyOf }],
    [
      "eventual",
      async (ctx) => {
        await ctx.step("one", undone);
        await ctx.tx(db, "two", { run: () => {}, compensate: putBack });
      },
      { key: keyOf },
    ],
    ["strict", (ctx) => ctx.tx(db, "one", { run: () => {}, compensate: putBack }), { key: keyOf }],
    ["strict", (ctx) => ctx.tcc("one", { try: keyed, confirm: keyed, cancel: keyed }), { key: keyOf }],
    ["unknown", (ctx) => ctx.step("one", { ...undone, run: () => {} }), { key: keyOf }],
    ["unknown", (ctx) => ctx.step("one", { ...never, run: () => {}, effect: "keyed" }), { key: keyOf }],
    ["unknown", (ctx) => ctx.step("one", { run: () => {}, effect: "irreversible" }), { key: keyOf }],
    ["unknown", (ctx) => ctx.tcc("one", { try: () => {}, confirm: keyed, cancel: keyed }), { key: keyOf }],
    ["unknown", () => {}, { key: keyOf }],
  ])("%s is found", async (level, body, options) => {
    expect((await check(make(body, options))).level.found).toBe(level);
  });
  it.each<readonly [string, "natural" | "recorded" | "eventual" | "strict", readonly string[]]>([
    ["less is an error", "strict", ["LEVEL_TOO_LOW"]],
    ["less by one is, too", "eventual", ["LEVEL_TOO_LOW"]],
    ["the same is fine", "recorded", []],
    ["more is fine", "natural", []],
  ])("is compared with the one declared: %s", async (_, level, codes) => {
    const { level: report } = await check(make((ctx) => ctx.step("one", undone), { key: keyOf, checklist: { level } }));
    expect(report.findings.map(({ code }) => code)).toEqual(codes);
    expect(report.declared).toBe(level);
  });
  it("of a job without steps is the one of its declared effect", async () => {
    expect((await check(make(() => {}, { key: keyOf, effect: "natural" }))).level.found).toBe("natural");
  });
  it("is a warning where one is declared and none is known", async () => {
    const { level } = await check(make((ctx) => helper(ctx), { key: keyOf, checklist: { level: "strict" } }));
    expect(level.findings).toMatchObject([{ code: "LEVEL_UNKNOWN", severity: "warning" }]);
  });
});

describe("a report", () => {
  it("has for each finding a message, what to do, and for each point a page", async () => {
    const { points } = await check(make((ctx) => ctx.step("one", { run: () => {} }), {}));
    expect(points.map(({ point }) => point)).toHaveLength(7);
    for (const { docs, findings } of points) {
      expect(docs).toMatch(/^docs\/[\w-]+\.md(#[\w-]+)?$/);
      for (const { message, whatToDo } of findings) expect([message, whatToDo]).not.toContain("");
    }
  });
  it("of a reconciler is good without a word of its user", async () => {
    const fix = job("fix", {}, async () => {});
    const sweep = reconcile("sweep", {
      schedule: every("5m"),
      window: "1h",
      find: () => [],
      key: () => "",
      fix,
      input: () => undefined,
    });
    expect((await check(sweep)).points.map(({ severity }) => severity)).toEqual(Array(7).fill("ok"));
  });
});

describe("a module that is loaded again", () => {
  const load = (): AnyJob => {
    const bootId = crypto.randomUUID();
    return job<Order>("place-order", { key: ({ id }) => `${id} ${bootId}` }, (ctx) =>
      ctx.step(["one", bootId], undone),
    );
  };
  it("shows keys and names that are made once in each process", async () => {
    const one = load();
    expect(pointOf(await check(one), "executed before")).toMatchObject({ severity: "ok" });
    const report = await check(one, { again: [load()] });
    for (const point of ["executed before", "idempotent"] as const)
      expect(pointOf(report, point)).toMatchObject({ severity: "error", findings: [{ code: "KEY_UNSTABLE" }] });
  });
});

describe("bad input is refused:", () => {
  const one = make((ctx) => ctx.step("one", undone));
  it("samples of a job that is not there", () =>
    expect(checklist([one], { samples: { other: [] } })).rejects.toMatchObject({ code: "OPTION_INVALID" }));
  it("a sample that the job's schema refuses", () => {
    const strict = job("strict", { input: z.object({ id: z.string() }) }, async () => {});
    return expect(checklist([strict], { samples: { strict: [{ id: 1 }] } })).rejects.toMatchObject({
      code: "INPUT_INVALID",
    });
  });
  it("an unknown option", () =>
    expect(checklist([one], { sample: {} } as never)).rejects.toThrow(/Did you mean samples/));
  it.each<readonly [string, object, RegExp]>([
    ["a declaration for no point", { timeouts: "no" }, /unknown option "timeouts". Did you mean timeout\?/],
    ["a declaration without a reason", { timeout: "" }, /timeout: expected a text that says why all is well/],
    ["a level that is none", { level: "best" }, /level: expected one of natural, recorded, eventual, strict/],
  ])("%s", (_, declared, message) => {
    expect(() => job("x", { checklist: declared as never }, async () => {})).toThrow(message);
  });
});
