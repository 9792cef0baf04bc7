// One sample in a process of its own, at a fresh place.
import { fork } from "node:child_process";
import { mkdirSync } from "node:fs";
import { fileURLToPath } from "node:url";
import type { Entrant } from "./entrants.ts";
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
    return await runProcess(wish, fresh);
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
      execArgv: ["--disable-warning=ExperimentalWarning", ...profileArguments(wish)],
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

function profileArguments({ profileFolder, entrant, caseId, run }: SampleWish): readonly string[] {
  if (profileFolder === null) return [];
  mkdirSync(profileFolder, { recursive: true });
  const { name, needs } = entrant.contender;
  const file = `${caseId}-${name}-${needs}-${run}`.replaceAll(/[^a-z0-9]+/gi, "-");
  return ["--cpu-prof", `--cpu-prof-dir=${profileFolder}`, `--cpu-prof-name=${file}.cpuprofile`];
}
