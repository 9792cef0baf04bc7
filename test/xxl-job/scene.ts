// An executor with its admin, in a folder of its own, all gone at the end of the test.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { App, Log } from "makegood";
import { type XxlExecutor, type XxlExecutorOptions, xxlExecutor } from "makegood/xxl-job";
import { afterEach, vi } from "vitest";
import { type Callback, type FakeAdmin, type Generation, startFakeAdmin } from "./fake-admin.ts";
import {
  beatBody,
  type Caller,
  javaRequest,
  logQuery,
  type RawAnswer,
  sendRaw,
  type TriggerFields,
  triggerBody,
  triggerPath,
} from "./raw.ts";

export const generations: readonly Generation[] = ["2.3", "3.3", "3.5"];

export const silent: Log = { debug() {}, info() {}, warn() {}, error() {} };

const ends: (() => unknown)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
});
export const atEnd = (end: () => unknown): void => void ends.push(end);

export function newFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), "makegood-xxl-"));
  atEnd(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

export async function newAdmin(options: Parameters<typeof startFakeAdmin>[0] = {}): Promise<FakeAdmin> {
  const admin = await startFakeAdmin(options);
  atEnd(() => admin.close());
  return admin;
}

export interface Scene {
  readonly executor: XxlExecutor;
  readonly port: number;
  readonly admin: FakeAdmin;
  readonly folder: string;
  call(path: string, body: string | null, caller?: Partial<Caller>): Promise<RawAnswer>;
  beat(): Promise<RawAnswer>;
  trigger(fields: TriggerFields): Promise<RawAnswer>;
  kill(jobId?: number): Promise<RawAnswer>;
  idleBeat(jobId?: number): Promise<RawAnswer>;
  log(logId: number, fromLineNum?: number): Promise<Page>;
  /** Waits for the callback of a run. */
  callback(logId: number): Promise<Callback>;
}

export interface Page {
  readonly fromLineNum: number;
  readonly toLineNum: number;
  readonly logContent: string;
  readonly isEnd: boolean;
}

export type SceneOptions = Partial<XxlExecutorOptions> & {
  readonly generation?: Generation;
  readonly admin?: FakeAdmin;
  readonly app?: App;
};

/** `jobs` are required in earnest; here a test names those that it needs. */
export async function startScene({ generation = "2.3", app, ...given }: SceneOptions): Promise<Scene> {
  const { admin = await newAdmin({ generation }), ...options } = given;
  const folder = options.folder ?? newFolder();
  const executor = xxlExecutor({
    admins: [admin.url],
    appname: "demo",
    accessToken: "secret",
    port: 0,
    folder,
    log: silent,
    jobs: {},
    ...options,
  });
  await executor.start(app);
  atEnd(() => executor.stop({ grace: 0 }));
  const port = Number(new URL(executor.address ?? "").port);
  const call: Scene["call"] = (path, body, caller = {}) =>
    sendRaw(port, javaRequest({ generation, ...caller }, path, body));
  return {
    executor,
    port,
    admin,
    folder,
    call,
    beat: () => call("/beat", beatBody(generation)),
    trigger: (fields) => call(triggerPath(generation), triggerBody(fields)),
    kill: (jobId = 1) => call("/kill", JSON.stringify({ jobId })),
    idleBeat: (jobId = 1) => call("/idleBeat", JSON.stringify({ jobId })),
    log: async (logId, fromLineNum = 1) => {
      const { body } = await call("/log", logQuery(generation, logId, fromLineNum));
      return (generation === "2.3" ? body.content : body.data) as Page;
    },
    callback: (logId) =>
      vi.waitFor(
        () => {
          const found = admin.callbacks.find((it) => it.logId === logId);
          if (found === undefined) throw new Error(`no callback of ${logId} yet`);
          return found;
        },
        { timeout: 15_000, interval: 10 },
      ),
  };
}
