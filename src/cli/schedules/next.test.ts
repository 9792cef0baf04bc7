import { describe, expect, test } from "vitest";
import { runCli } from "../testing/run-cli.ts";

const runNext = (...args: readonly string[]) => runCli("schedules", ...args);

test("next prints universal and local time, over a gap", async () => {
  const { code, out } = await runNext(
    ...["next", "0 30 2 * * ?", "--zone", "America/New_York", "--from", "2026-03-07T12:00:00Z", "--count", "2"],
  );
  expect(code).toBe(0);
  expect(out).toBe(
    "2026-03-08T07:00:00.000Z   Sun 2026-03-08 03:00:00 -04:00 America/New_York\n" +
      "2026-03-09T06:30:00.000Z   Mon 2026-03-09 02:30:00 -04:00 America/New_York\n",
  );
});

test("next --json prints nothing but the fires, five by default", async () => {
  const { code, out, error } = await runNext(
    ...[
      "next",
      "--json",
      "--dialect",
      "unix",
      "0 12 * * mon-fri",
      "--zone",
      "Asia/Kolkata",
      "--from",
      "2026-01-01T12:00",
    ],
  );
  expect({ code, error }).toEqual({ code: 0, error: "" });
  expect(JSON.parse(out)).toEqual({
    next: [
      "2026-01-02T06:30:00.000Z",
      "2026-01-05T06:30:00.000Z",
      "2026-01-06T06:30:00.000Z",
      "2026-01-07T06:30:00.000Z",
      "2026-01-08T06:30:00.000Z",
    ],
  });
});

test("next looks from now by default", async () => {
  const before = Date.now();
  const { out } = await runNext("next", "* * * * * ?", "--json", "--count", "1");
  const [first] = JSON.parse(out).next;
  expect(Date.parse(first)).toBeGreaterThan(before);
  expect(Date.parse(first)).toBeLessThanOrEqual(Date.now() + 1_000);
});

test("an expression without a fire to come is not a mistake", async () => {
  const args = ["next", "0 0 0 1 1 ? 2020", "--from", "2026-01-01T00:00:00Z"];
  expect(await runNext(...args)).toMatchObject({
    code: 0,
    out: expect.stringMatching(/does not fire after 2026-01-01T00/),
  });
  expect(await runNext(...args, "--json")).toMatchObject({ code: 0, out: '{"next":[]}\n' });
});

test("--help tells about the subcommand, and about all", async () => {
  expect(await runNext("next", "--help")).toMatchObject({ code: 0, out: expect.stringContaining("--dialect DIALECT") });
  expect(await runNext("--help")).toMatchObject({ code: 0, out: expect.stringContaining("SUBCOMMAND") });
});

describe("wrong arguments end with exit code 2 and say what was expected:", () => {
  test.each([
    [
      [],
      "makegood: schedules: expected a subcommand (add, edit, list, pause, resume, backfill, remove, next, graph), found none. See `makegood schedules --help`.",
    ],
    [
      ["nxt"],
      'makegood: schedules: expected a subcommand (add, edit, list, pause, resume, backfill, remove, next, graph), found "nxt". See `makegood schedules --help`.',
    ],
    [["next"], /expected one cron expression, in quotes, found 0 arguments/],
    [["next", "0", "30", "2", "*"], /expected one cron expression, in quotes, found 4 arguments/],
    [["next", "0 30 2 * * ?", "--frobnicate"], /Unknown option '--frobnicate'.*See `makegood schedules next --help`/],
    [["next", "0 30 2 * * ?", "--count", "0"], 'makegood: --count: expected a whole number from 1 to 1000, found "0".'],
    [["next", "0 30 2 * * ?", "--count", "1001"], /from 1 to 1000/],
    [["next", "0 30 2 * * ?", "--dialect", "spring"], 'makegood: --dialect: expected quartz or unix, found "spring".'],
    [["next", "0 30 2 * * ?", "--zone", "Asia/Shangai"], /OPTION_INVALID: --zone: .*Did you mean Asia\/Shanghai\?/],
    [["next", "0 30 2 * * ?", "--from", "noon"], /OPTION_INVALID: --from: expected an instant/],
    [
      ["next", "0 30 25 * * ?"],
      'makegood: CRON_INVALID: quartz cron "0 30 25 * * ?", hours: expected a number from 0 to 23, found "25" at character 6. Example: "0 0 8-18 * * ?"',
    ],
    [["next", "30 2 * * *"], /CRON_INVALID.*It looks like the unix dialect/],
  ] as const)("%j", async (args, message) => {
    const { code, out, error } = await runNext(...args);
    expect(error.trimEnd().split("\n")[0]).toMatch(message);
    expect({ code, out }).toEqual({ code: 2, out: "" });
  });
});
