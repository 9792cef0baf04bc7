import { expect, test } from "vitest";
import { CronError } from "../errors.ts";
import { dueAt } from "./fires.ts";
import { at, cron, every, seeded } from "./trigger.ts";

test("a trigger holds its schedule, policy and input", () => {
  const input = () => ({ id: "x" });
  const nightly = cron("0 30 2 * * ?", { zone: "Asia/Shanghai", misfire: "catch-up", input });
  expect(nightly).toMatchObject({ kind: "time", input, misfire: { policy: "catch-up", maxCatchUp: 100 } });
  expect(nightly.schedule).toMatchObject({ timing: { kind: "cron" }, zone: { name: "Asia/Shanghai" } });
  expect(cron("30 2 * * *", { dialect: "unix" }).schedule.timing).toMatchObject({ cron: { dialect: "unix" } });
  expect(every("5m")).toMatchObject({ input: null, schedule: { timing: { kind: "rate", everyMs: 300_000 } } });
  expect(every("5m", { afterEnd: true }).schedule.timing).toEqual({ kind: "delay", everyMs: 300_000 });
  expect(at("2026-05-05T05:00", { zone: "Asia/Shanghai" }).schedule.timing).toEqual({
    kind: "once",
    atMs: Date.parse("2026-05-04T21:00:00Z"),
  });
});

test("its jitter is spread by the seed that it is given later", () => {
  const hourly = cron("0 0 * * * ?", { jitter: "30m" });
  const due = (seed: string) => dueAt(seeded(hourly, seed).schedule, 0);
  expect(due("a")).toBe(due("a"));
  expect(due("a")).not.toBe(due("b"));
});

test("what does not fit is refused where it is written", () => {
  expect(() => cron("0 30 2 * *")).toThrow(CronError);
  expect(() => cron("0 30 2 * * ?", { zone: "Asia/Shangai" })).toThrow(/cron.zone.*Did you mean Asia\/Shanghai/);
  expect(() => cron("0 30 2 * * ?", { input: {} as never })).toThrow(
    /cron: expected input to be a function of the fire/,
  );
  expect(() => cron("0 30 2 * * ?", { afterEnd: true } as never)).toThrow(/cron: unknown option "afterEnd"/);
  expect(() => every("5m", { dialect: "unix" } as never)).toThrow(/every: unknown option "dialect"/);
  expect(() => every("5m", { misfire: "never" as never })).toThrow(/every.misfire.policy/);
  expect(() => at("noon")).toThrow(/at.at: expected an instant/);
});
