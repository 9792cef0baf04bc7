import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { parseJobId, parseLogRequest, parseTrigger } from "./requests.ts";

const full = {
  jobId: 7,
  executorHandler: "demoJobHandler",
  executorParams: "A-17",
  executorBlockStrategy: "COVER_EARLY",
  executorTimeout: 3,
  logId: 4_000_000_001,
  logDateTime: 1_790_000_000_123,
  glueType: "BEAN",
  glueSource: "",
  glueUpdatetime: 1_790_000_000_000,
  broadcastIndex: 1,
  broadcastTotal: 3,
};

describe("a trigger", () => {
  it("is read with all of its fields", () => {
    expect(parseTrigger(JSON.stringify(full))).toEqual({
      ok: true,
      value: {
        jobId: 7,
        logId: 4_000_000_001,
        logDateTime: 1_790_000_000_123,
        handler: "demoJobHandler",
        param: "A-17",
        blockStrategy: "COVER_EARLY",
        timeoutSeconds: 3,
        glueType: "BEAN",
        glueSource: "",
        shardIndex: 1,
        shardTotal: 3,
      },
    });
  });

  it("is read without what Java leaves out when it is null, and with numbers as text", () => {
    expect(parseTrigger('{"jobId":"7","logId":"12.0","executorHandler":"x"}')).toMatchObject({
      ok: true,
      value: { jobId: 7, logId: 12, param: "", blockStrategy: "SERIAL_EXECUTION", shardIndex: 0, shardTotal: 1 },
    });
  });

  it("is read with its script, where it brings one", () => {
    const script = { glueType: "GLUE_SHELL", glueSource: "echo $1" };
    expect(parseTrigger(JSON.stringify({ ...full, ...script }))).toMatchObject({ ok: true, value: script });
    expect(parseTrigger(JSON.stringify({ ...full, glueSource: "of another time" }))).toMatchObject({
      ok: true,
      value: { glueType: "BEAN", glueSource: "" },
    });
  });

  it("takes an unknown block strategy as serial", () => {
    const body = JSON.stringify({ ...full, executorBlockStrategy: "CONCURRENT_EXECUTION" });
    expect(parseTrigger(body)).toMatchObject({ ok: true, value: { blockStrategy: "SERIAL_EXECUTION" } });
  });

  it.each([
    ["", "a JSON object"],
    ['""', "a JSON object"],
    ["[]", "a JSON object"],
    ["{", "a JSON object"],
    ['{"jobId":7}', "logId: expected an integer"],
    ['{"jobId":7,"logId":1.5}', "found 1.5"],
    ['{"jobId":7,"logId":"../../etc/passwd"}', "logId: expected an integer"],
    // Past 2^53 JSON's numbers are not exact: another run would be meant.
    ['{"jobId":7,"logId":9007199254740993}', "logId: expected an integer"],
    ['{"jobId":7,"logId":0}', "logId: expected an integer from 1"],
    ['{"jobId":7,"logId":1,"executorParams":{}}', "executorParams: expected a text"],
  ])("%s is refused with what is wrong", (body, fault) => {
    const read = parseTrigger(body);
    expect(read.ok ? "" : read.fault).toContain(fault);
  });

  it("never throws, whatever arrives", () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.json()), (body) => {
        for (const parse of [parseTrigger, parseJobId, parseLogRequest]) expect(typeof parse(body).ok).toBe("boolean");
      }),
    );
  });
});

describe("a log query", () => {
  it.each([
    '{"logDateTim":1790000000000,"logId":5,"fromLineNum":3}',
    '{"logDateTime":1790000000000,"logId":5,"fromLineNum":3}',
  ])("is read in either spelling of its time: %s", (body) => {
    expect(parseLogRequest(body)).toEqual({ ok: true, value: { logId: 5, fromLineNum: 3 } });
  });

  it("begins at line 1 when it says less", () => {
    expect(parseLogRequest('{"logId":5,"fromLineNum":0}')).toMatchObject({ value: { fromLineNum: 1 } });
  });
});
