import { describe, expect, it } from "vitest";
import { isUnknownMethod, parseCallbacks, parseLogPage, parseRegistration, triggerBody } from "./center.ts";

describe("what executors send", () => {
  it("is a registration, of every generation", () => {
    const body = JSON.stringify({
      registryGroup: "EXECUTOR",
      registryKey: "orders",
      registryValue: "http://10.0.0.1:9999/",
    });
    expect(parseRegistration(body)).toEqual({ ok: true, value: { group: "orders", address: "http://10.0.0.1:9999/" } });
  });

  it.each([
    "",
    '""',
    "[]",
    "{}",
    '{"registryGroup":"ADMIN","registryKey":"a","registryValue":"b"}',
    '{"registryGroup":"EXECUTOR","registryKey":" ","registryValue":"b"}',
    '{"registryGroup":"EXECUTOR","registryKey":"a","registryValue":5}',
  ])("is refused with its fault where it is no registration: %s", (body) => {
    expect(parseRegistration(body)).toMatchObject({ ok: false, fault: expect.stringContaining("expected") });
  });

  it.each([
    ["2.2", [{ logId: 7, logDateTim: 5, executeResult: { code: 200, msg: "ok", content: null } }]],
    ["2.3 to 3.4", [{ logId: 7, logDateTim: 5, handleCode: 200, handleMsg: "ok" }]],
    ["3.5", { callbackList: [{ logId: 7, logDateTime: 5, handleCode: 200, handleMsg: "ok" }] }],
    ["numbers as text", [{ logId: "7", handleCode: "200", handleMsg: "ok" }]],
  ])("is a callback as %s writes it", (_generation, value) => {
    expect(parseCallbacks(JSON.stringify(value))).toEqual({
      ok: true,
      value: [{ logId: 7, code: 200, message: "ok" }],
    });
  });

  it("may come without a message", () => {
    expect(parseCallbacks('[{"logId":7,"handleCode":500}]')).toMatchObject({ value: [{ message: "" }] });
  });

  it.each([
    "",
    "{}",
    "[1]",
    '[{"logId":0,"handleCode":200}]',
    '[{"logId":7,"handleCode":0}]',
    '[{"logId":1.5,"handleCode":200}]',
  ])("is refused where it is no callback: %s", (body) => {
    expect(parseCallbacks(body).ok).toBe(false);
  });
});

describe("what a center sends", () => {
  it("has every field that a Java executor reads, as integers and texts", () => {
    const trigger = {
      jobId: 3,
      logId: 7,
      logDateTime: 1_700_000_000_123,
      handler: "demoJobHandler",
      script: null,
      param: "a,b",
      blockStrategy: "SERIAL_EXECUTION",
      timeoutSeconds: 0,
      shardIndex: 0,
      shardTotal: 1,
      executionId: "0195f2a0-0000-7000-8000-000000000000",
      attempt: 1,
    };
    expect(JSON.parse(triggerBody(trigger))).toMatchObject({
      jobId: 3,
      executorHandler: "demoJobHandler",
      executorParams: "a,b",
      executorBlockStrategy: "SERIAL_EXECUTION",
      executorTimeout: 0,
      logId: 7,
      logDateTime: 1_700_000_000_123,
      glueType: "BEAN",
      glueSource: "",
      glueUpdatetime: 0,
      broadcastIndex: 0,
      broadcastTotal: 1,
    });
    const script = { type: "GLUE_PHP", source: "<?php", updatedAt: 1_700_000_000_000 } as const;
    expect(JSON.parse(triggerBody({ ...trigger, handler: "", script }))).toMatchObject({
      ...{ executorHandler: "", glueType: "GLUE_PHP", glueSource: "<?php", glueUpdatetime: 1_700_000_000_000 },
    });
  });

  it("understands a page of a log, in either envelope, with nothing new, and of no file", () => {
    const page = { fromLineNum: 3, toLineNum: 4, logContent: "three\r\nfour\r\n", isEnd: false };
    const read = { fromLine: 3, lines: ["three", "four"], exists: true };
    expect(parseLogPage(JSON.stringify({ code: 200, data: page }))).toEqual(read);
    expect(parseLogPage(JSON.stringify({ code: 200, content: page }))).toEqual(read);
    const nothingNew = { fromLineNum: 5, toLineNum: 4, logContent: "", isEnd: false };
    expect(parseLogPage(JSON.stringify({ code: 200, content: nothingNew }))?.lines).toEqual([]);
    const noFile = { fromLineNum: 1, toLineNum: 0, logContent: "readLog fail", isEnd: true };
    expect(parseLogPage(JSON.stringify({ code: 200, data: noFile }))).toMatchObject({ lines: [], exists: false });
    expect(parseLogPage("<html>")).toBeNull();
    expect(parseLogPage('{"code":500,"msg":"no"}')).toBeNull();
  });

  it("knows the answer to a method that a generation does not have", () => {
    expect(isUnknownMethod("invalid request, uri-mapping(/trigger) not found.")).toBe(true);
    expect(isUnknownMethod("job handler [x] not found.")).toBe(false);
  });
});
