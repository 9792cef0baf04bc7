// One sample in a process of its own, at a fresh place.
import { fork } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { Entrant } from "./entrants.ts";
import { execArgv } from "./node-flags.ts";
import type { FreshPlace, PlaceSource } from "./places.ts";
import type { SampleReply, SampleRequest, Taken } from "./sample.ts";

export interface SampleWish {
  readonly entrant: Entrant;
  /** `SUITE/CASE`. */
  readonly caseId: string;
  readonly count: number;
  readonly warmUp: number;
  /** For the file of its profile. */
  readonly run: number;
  readonly profileFolder: string | null;
  readonly limitMs: number;
}

/** Its result was wrong, it ended early, or it took too long. */
export class SampleFailedError extends Error {
  override readonly name = "SampleFailedError";
}

const keptOutput = 4_000;

/** Rejects with SampleFailedError; the place is released in any case. */
export async function takeSample(wish: SampleWish, places: PlaceSource): Promise<Taken> {
  const fresh = await places.fresh();
  try {
    const taken = await runProcess(wish, fresh);
    await writeStatements(wish, fresh);
    return taken;
  } finally {
    await fresh.release();
  }
}

function runProcess(wish: SampleWish, { place, serverPid }: FreshPlace): Promise<Taken> {
  const { entrant, caseId, count, warmUp, limitMs } = wish;
  const { module, contender } = entrant;
  const request: SampleRequest = {
    ...{ module, contender: contender.name, needs: contender.needs, caseId, count, warmUp },
    ...{ place, serverPid },
  };
  return new Promise((resolve, reject) => {
    const child = fork(fileURLToPath(new URL("./sample.ts", import.meta.url)), {
      execArgv: [...execArgv, ...profileArguments(wish)],
      stdio: ["ignore", "pipe", "pipe", "ipc"],
    });
    let output = "";
    const listen = (chunk: Buffer): void => {
      output = (output + String(chunk)).slice(-keptOutput);
    };
    child.stdout?.on("data", listen);
    child.stderr?.on("data", listen);
    let reply: SampleReply | undefined;
    child.on("message", (message) => {
      reply = message as SampleReply;
    });
    const timer = setTimeout(() => child.kill("SIGKILL"), limitMs);
    child.on("close", (code, signal) => {
      clearTimeout(timer);
      if (reply?.isOk === true) return resolve(reply.taken);
      const end =
        signal === "SIGKILL" ? `it was killed (after ${limitMs / 1_000} s it is)` : `it ended with ${code ?? signal}`;
      reject(
        new SampleFailedError(
          `${reply === undefined ? `Expected a sample, found that ${end}.` : reply.message}\n${output}`.trim(),
        ),
      );
    });
    child.send(request);
  });
}

async function writeStatements(wish: SampleWish, { statements }: FreshPlace): Promise<void> {
  if (wish.profileFolder === null || statements === undefined) return;
  writeFileSync(join(wish.profileFolder, `${profileName(wish)}.statements.txt`), await statements());
}

function profileArguments(wish: SampleWish): readonly string[] {
  if (wish.profileFolder === null) return [];
  mkdirSync(wish.profileFolder, { recursive: true });
  return ["--cpu-prof", `--cpu-prof-dir=${wish.profileFolder}`, `--cpu-prof-name=${profileName(wish)}.cpuprofile`];
}

function profileName({ entrant, caseId, run }: SampleWish): string {
  const { name, needs } = entrant.contender;
  return `${caseId}-${name}-${needs}-${run}`.replaceAll(/[^a-z0-9]+/gi, "-");
}
