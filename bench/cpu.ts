// CPU time of other processes, from Linux's /proc; elsewhere it is not known. See proc(5), /proc/pid/stat.
import { readdirSync, readFileSync } from "node:fs";

/** `sysconf(_SC_CLK_TCK)` is 100 on every Linux that Node runs on. */
const msPerTick = 10;

interface Times {
  readonly parent: number;
  readonly ownTicks: number;
  /** Of children that ended and were waited for. */
  readonly endedTicks: number;
}

/** User and system time in ms of that process and all below it, ended ones included; null where it cannot be read. */
export function cpuMsOfTree(root: number): number | null {
  const all = readAll();
  const top = all?.get(root);
  if (all === undefined || top === undefined) return null;
  return (top.ownTicks + ticksBelow(root, all)) * msPerTick;
}

/** The same without the process itself: the servers that it started. */
export function cpuMsBelow(root: number): number | null {
  const all = readAll();
  return all?.has(root) === true ? ticksBelow(root, all) * msPerTick : null;
}

function ticksBelow(pid: number, all: ReadonlyMap<number, Times>): number {
  let ticks = all.get(pid)?.endedTicks ?? 0;
  for (const [child, { parent, ownTicks }] of all) if (parent === pid) ticks += ownTicks + ticksBelow(child, all);
  return ticks;
}

function readAll(): ReadonlyMap<number, Times> | undefined {
  if (process.platform !== "linux") return undefined;
  const pids = readdirSync("/proc").filter((name) => /^\d+$/.test(name));
  return new Map(
    pids.flatMap((pid) => {
      const times = readTimes(pid);
      return times === undefined ? [] : [[Number(pid), times]];
    }),
  );
}

/** Undefined when it ended meanwhile. The name, in parentheses, may hold anything: the fields are counted behind it. */
function readTimes(pid: string): Times | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    const field = (number: number): number => Number(fields[number - 3]);
    return { parent: field(4), ownTicks: field(14) + field(15), endedTicks: field(16) + field(17) };
  } catch {
    return undefined;
  }
}
