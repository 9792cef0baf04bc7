import { describe, expect, it } from "vitest";
import { silentLog } from "../../core/ports.ts";
import { xxlHandler } from "./handler.ts";
import { resolveOptions, type XxlExecutorOptions } from "./options.ts";

const least: XxlExecutorOptions = {
  admins: ["http://127.0.0.1:8080/xxl-job-admin"],
  appname: "orders",
  accessToken: "a long secret".replaceAll(" ", "-"),
  jobs: { echo: xxlHandler(() => {}) },
  log: silentLog,
};

describe("the executor's options", () => {
  it("have defaults that are closed to the outside", () => {
    expect(resolveOptions(least)).toMatchObject({
      address: null,
      host: "127.0.0.1",
      port: 9_999,
      folder: "makegood-xxl-job",
      heartbeatMs: 30_000,
      timeoutMs: 3_000,
      retentionMs: 30 * 86_400_000,
      stopGraceMs: 10_000,
      maxBodyBytes: 1_048_576,
      maxLogBytes: 10_485_760,
      maxUnfinished: 10_000,
      scripts: [],
    });
  });

  it("give an address the slash that callers put a method's name behind", () => {
    expect(resolveOptions({ ...least, address: "http://a:1" }).address).toBe("http://a:1/");
    expect(resolveOptions({ ...least, address: "http://a:1/x/" }).address).toBe("http://a:1/x/");
  });

  it.each<[Partial<Record<keyof XxlExecutorOptions, unknown>>, string]>([
    [{ admin: [] } as object, "Did you mean admins?"],
    [{ admins: [] }, "admins: expected a list of at least one address"],
    [{ admins: ["127.0.0.1:8080"] }, "admins[0]: expected an http or https address"],
    [{ admins: ["http://a:b@c"] }, "admins[0]: expected an address without user"],
    [{ appname: "two words" }, "appname: expected 1 to 64"],
    [{ accessToken: undefined }, "accessToken: expected a text"],
    [{ accessToken: "a b" }, "accessToken: expected a text"],
    [{ port: 65_536 }, "port: expected an integer from 0 to 65535"],
    [{ port: null }, "address: expected the address that the admin is to call, since there is no server of its own"],
    [{ host: "0.0.0.0" }, "address: expected the address that the admin is to call, since 0.0.0.0 is not one"],
    [{ host: "" }, "host: expected an address"],
    [{ address: "file:///x" }, "address: expected an http or https address"],
    [{ jobs: {} }, "jobs: expected at least one handler"],
    [{ jobs: { echo: () => {} } }, "jobs.echo: expected a handler made with xxlHandler"],
    [{ jobs: {}, scripts: [] }, "jobs: expected at least one handler"],
    [{ scripts: "GLUE_SHELL" }, "scripts: expected a list of types"],
    [{ scripts: ["GLUE_GROOVY"] }, "scripts[0]: expected one of GLUE_SHELL, GLUE_PYTHON"],
    [
      { scripts: ["GLUE_SHELL"], accessToken: "" },
      "accessToken: expected one of your own where scripts are run, found none",
    ],
    [{ scripts: ["GLUE_SHELL"], accessToken: "default_token" }, "found the one that the admin ships with"],
    [{ scriptEnv: "TZ" }, "scriptEnv: expected a list of names"],
    [{ scriptEnv: ["TZ", "A=B"] }, "scriptEnv[1]: expected the name of an environment variable"],
    [{ folder: "" }, "folder: expected the path"],
    [{ heartbeat: "2m" }, "heartbeat: expected a duration from 1s to 1m"],
    [{ retention: "1h" }, "retention: expected a duration from 1d"],
  ])("refuse %j", (wrong, message) => {
    expect(() => resolveOptions({ ...least, ...wrong } as XxlExecutorOptions)).toThrow(message);
  });

  it.each([
    ["", "without accessToken"],
    ["default_token", "the token that the admin ships with"],
  ])("warn of the token %j, and never show one", (accessToken, warning) => {
    const warnings: string[] = [];
    resolveOptions({ ...least, accessToken, log: { ...silentLog, warn: (_, message) => void warnings.push(message) } });
    expect(warnings).toEqual([expect.stringContaining(warning)]);
    expect(() => resolveOptions({ ...least, accessToken: "secret words" })).toThrow(/^(?!.*secret words)/);
  });
});

describe("a handler", () => {
  it("is a job with its input, or a function", () => {
    expect(() => xxlHandler({} as never, () => undefined as never)).toThrow("expected a job and a function");
    expect(() => xxlHandler(() => {}, { aftercrash: "fail" } as object)).toThrow("Did you mean afterCrash?");
    expect(() => xxlHandler(() => {}, { afterCrash: "again" as "repeat" })).toThrow("expected one of fail, repeat");
  });
});
