import { expect, it } from "vitest";
import { job } from "../define.ts";
import { onAllCompleted, onAnyCompleted, onCompleted } from "./completed.ts";

const load = job("load", {}, async () => 1);
const check = job("check", {}, async () => "ok");
const end = (result: unknown) => ({ executionId: "id", job: "load", result, scheduledAt: null });

it("names jobs, and takes texts for schedules", () => {
  expect(onCompleted(load)).toMatchObject({ kind: "completed", of: [{ job: "load" }], join: "each", input: null });
  expect(onAllCompleted([load, "nightly"])).toMatchObject({ of: [{ job: "load" }, { ref: "nightly" }], join: "all" });
});

it("hands one end to the input, or all of them", () => {
  expect(onCompleted(load, { input: ({ result }) => result }).input?.([end(1)])).toBe(1);
  expect(onAnyCompleted([load, check], { input: ({ result }) => result }).input?.([end("ok")])).toBe("ok");
  const all = onAllCompleted([load, check], { input: ([one, other]) => [one.result, other.result] });
  expect(all.input?.([end(1), end("ok")])).toEqual([1, "ok"]);
});

it.each([
  ["nothing to follow", [], {}, "expected 1 to 100 jobs, or schedules by id or name, found 0"],
  ["one twice", [load, load], {}, "expected each once, found load twice"],
  ["what is no job", [17], {}, "expected jobs made with job(…), or schedules by id or name, found 17"],
  ["an empty name", [" "], {}, 'found " "'],
  ["an input that is no function", [load], { input: 17 }, "expected input to be a function of what ended, found 17"],
  ["an option that it does not know", [load], { join: "all" }, "join"],
])("refuses %s", (_, of, options, message) => {
  const loose = onCompleted as (of: unknown, options: unknown) => unknown;
  expect(() => loose(of, options)).toThrow(
    expect.objectContaining({ code: "OPTION_INVALID", message: expect.stringContaining(message) }),
  );
});
