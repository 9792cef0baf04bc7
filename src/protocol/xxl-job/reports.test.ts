import { describe, expect, it } from "vitest";
import { adminUrl, callbackBody } from "./reports.ts";
import { parseAnswer } from "./wire.ts";

const report = { logId: 12, logDateTime: 1_790_000_000_123, code: 200, message: "fine" };
const item = {
  logId: 12,
  logDateTim: 1_790_000_000_123,
  logDateTime: 1_790_000_000_123,
  handleCode: 200,
  handleMsg: "fine",
};

describe("a callback", () => {
  it("is an array up to 3.4 and an object from 3.5 on, with both spellings of the time", () => {
    expect(JSON.parse(callbackBody([report], "array"))).toEqual([item]);
    expect(JSON.parse(callbackBody([report], "object"))).toEqual({ callbackList: [item] });
  });

  it("cuts a long message as Java executors do", () => {
    const [sent] = JSON.parse(callbackBody([{ ...report, message: "x".repeat(60_000) }], "array"));
    expect(sent.handleMsg).toBe(`${"x".repeat(50_000)}...`);
  });
});

describe("an admin", () => {
  it.each(["http://a:8080/xxl-job-admin", "http://a:8080/xxl-job-admin/"])(
    "is called behind exactly one slash: %s",
    (root) => {
      expect(adminUrl(root, "callback")).toBe("http://a:8080/xxl-job-admin/api/callback");
    },
  );

  it.each([
    ['{"code":200}', { code: 200, msg: "" }],
    ['{"code":200,"msg":null,"content":null}', { code: 200, msg: "" }],
    ['{"code":500,"msg":"no","data":null,"success":false}', { code: 500, msg: "no" }],
    ["<html>502 Bad Gateway</html>", null],
    ["[]", null],
    ["", null],
  ])("answers %s", (text, expected) => {
    expect(parseAnswer(text)).toEqual(expected);
  });
});
