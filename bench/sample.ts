// The process of one sample: runs one case of one contender at the place that it is told, says what it measured, and ends.
import { once } from "node:events";
import type { Contender, Place, Sample } from "./contender.ts";
import { openMeter, type Readings } from "./meter.ts";

export interface SampleRequest {
  /** Relative to this folder. */
  readonly module: string;
  readonly contender: string;
  readonly needs: Contender["needs"];
  /** `SUITE/CASE`. */
  readonly caseId: string;
  readonly count: number;
  readonly warmUp: number;
  readonly place: Place;
  /** Of the database server, where it runs on this machine and its id is known. */
  readonly serverPid: number | null;
}

export interface Taken {
  readonly sample: Sample;
  readonly readings: Readings | null;
  /** The most that this process had in memory. */
  readonly maxRssMb: number;
}

export type SampleReply =
  | { readonly isOk: true; readonly taken: Taken }
  | { readonly isOk: false; readonly message: string };

const [request] = (await once(process, "message")) as [SampleRequest];
process.once("disconnect", () => process.exit());
const reply = await take(request).then(
  (taken): SampleReply => ({ isOk: true, taken }),
  (error: unknown): SampleReply => ({ isOk: false, message: describe(error) }),
);
process.send?.(reply, () => process.exit());

async function take({ module, contender: name, needs, caseId, count, warmUp, place, serverPid }: SampleRequest) {
  const { contenders } = (await import(new URL(module, import.meta.url).href)) as {
    readonly contenders: readonly Contender[];
  };
  const run = contenders.find((it) => it.name === name && it.needs === needs)?.cases[caseId];
  if (run === undefined) throw new TypeError(`Expected ${module} to have ${caseId} of ${name}, found none.`);
  const meter = await openMeter(needs, place, serverPid);
  const sample = await run(place, { count, warmUp }, meter);
  const readings = meter.readings();
  await meter.close();
  return { sample, readings, maxRssMb: process.resourceUsage().maxRSS / 1_024 };
}

function describe(error: unknown): string {
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}
