// What a figure depends on besides the program: the machine, and how fast its disk confirms a write.
import { closeSync, fdatasyncSync, openSync, rmSync, statfsSync, writeSync } from "node:fs";
import { availableParallelism, cpus, release, tmpdir, totalmem, type } from "node:os";
import { join } from "node:path";
import { quantile } from "./measure.ts";
import { nodeFlags } from "./node-flags.ts";

export interface Machine {
  readonly date: string;
  readonly processors: string;
  readonly memoryGib: number;
  readonly system: string;
  /** Its version, and the flags of the samples' processes. */
  readonly node: string;
  /** Of 200 writes of 8 KiB in the folder of the samples. */
  readonly fdatasyncMs: { readonly p50: number; readonly p99: number };
  /** The folder of the samples is in memory: nothing is ever on disk. */
  readonly isDiskless: boolean;
}

const tmpfs = 0x01021994;
const probes = 200;

export function lookAtMachine(): Machine {
  return {
    date: new Date().toISOString().slice(0, 10),
    processors: `${availableParallelism()} × ${cpus()[0]?.model.trim() ?? "unknown"}`,
    memoryGib: Math.round(totalmem() / 2 ** 30),
    system: `${type()} ${release()}`,
    node: [process.versions.node, ...nodeFlags].join(" "),
    fdatasyncMs: probeDisk(),
    isDiskless: statfsSync(tmpdir()).type === tmpfs,
  };
}

function probeDisk(): Machine["fdatasyncMs"] {
  const file = join(tmpdir(), `makegood-bench-probe-${process.pid}`);
  const block = Buffer.alloc(8_192, 1);
  const descriptor = openSync(file, "w");
  try {
    const took = Array.from({ length: probes }, () => {
      const startedAt = performance.now();
      writeSync(descriptor, block);
      fdatasyncSync(descriptor);
      return performance.now() - startedAt;
    });
    return { p50: quantile(took, 0.5), p99: quantile(took, 0.99) };
  } finally {
    closeSync(descriptor);
    rmSync(file);
  }
}

export function describeMachine({
  date,
  processors,
  memoryGib,
  system,
  node,
  fdatasyncMs,
  isDiskless,
}: Machine): string {
  const disk = isDiskless
    ? "the folder for temporary files is in memory, so NOTHING IS DURABLE: set TMPDIR to a folder on a disk"
    : `fdatasync of 8 KiB p50 ${fdatasyncMs.p50.toFixed(3)} ms, p99 ${fdatasyncMs.p99.toFixed(3)} ms`;
  return `${date}, ${processors}, ${memoryGib} GiB, ${system}, Node ${node}; ${disk}`;
}
