// Our cron beside Quartz's own, on the vectors that README.md tells how to make. Where we differ on purpose, the difference has
// a reason here, and each reason is checked: what differs is only what the reason explains.
import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { CronError } from "../../../src/core/errors.ts";
import type { Cron } from "../../../src/core/schedule/cron.ts";
import { nextFire } from "../../../src/core/schedule/cron-fire.ts";
import { parseCron } from "../../../src/core/schedule/cron-parse.ts";
import { type Zone, zoneOf } from "../../../src/core/schedule/zone.ts";

type Fires = readonly number[] | string;
type Vector = readonly [
  group: string,
  expression: string,
  zone: string,
  from: number,
  old: Fires,
  recent: Fires | null,
];
interface File {
  readonly vectors: readonly Vector[];
  readonly rejected: readonly (readonly [expression: string, old: boolean, recent: boolean])[];
}

const file: File = JSON.parse(readFileSync(new URL("vectors.json", import.meta.url), "utf8"));
const fireCount = 20;
const horizonMs = Date.UTC(2100, 0, 1);

/** Where the two versions of Quartz disagree, the one we agree with. */
const followed: Readonly<Record<string, { readonly version: "2.3.2" | "2.5.2"; readonly reason: string }>> = {
  "0 0 9 31W * ?": { version: "2.5.2", reason: "2.3.2 fires in some months without a 31st, and not in others" },
  "0 0/20 9 15W * ?": { version: "2.3.2", reason: "2.5.2 fires once, instead of three times, on a day that was moved" },
  "0 0 9 1,L * ?": { version: "2.5.2", reason: "2.3.2 refuses L in a list" },
  "0 0 9 10,L-2 * ?": { version: "2.5.2", reason: "2.3.2 refuses L in a list" },
  "0 0 9 L-5,L-1 * ?": { version: "2.5.2", reason: "2.3.2 refuses L in a list" },
  "0 0 9 1W,15W * ?": { version: "2.5.2", reason: "2.3.2 reads only the first of them" },
  "0 0 9 LW,1W * ?": { version: "2.5.2", reason: "2.3.2 refuses LW in a list" },
  "0 0 9 15W,L * ?": { version: "2.5.2", reason: "2.3.2 refuses L in a list" },
};

/** What Quartz accepts and we refuse. */
const stricter: Readonly<Record<string, string>> = {
  "0 0 12 * * ? 2026 1": "2.3.2 ignores an eighth field",
  "0 0 12 ?1 * MON": "what stands behind ? is ignored",
  "0 0 12 ?,1 * MON": "? in a list silences the list",
  "0 0 12 1 1 ? 1969": "never fires",
  "0 0 12 1 1 ? 2200": "beyond what we look at; Quartz too gives up, 100 years from now",
  "0 0/0 12 * * ?": "a step of 0 is ignored",
  "0 */0 12 * * ?": "a step of 0 is ignored",
  "0 0-30/0 12 * * ?": "a step of 0 is ignored",
  "0 0-30/70 12 * * ?": "steps are checked only without a range",
  "0 0 12 1 JANUARY ?": "what stands behind a name is ignored",
  "0 0 12 ? * MONDAY": "what stands behind a name is ignored",
  "0 0 12 ? * MON-FRI/2": "a step behind names is ignored: every weekday instead of every other",
  "0 0 12 ? * LW": "what stands behind L is ignored: every Saturday",
  "0 0 12 ? * L-3": "what stands behind L is ignored: every Saturday",
  "0 0 12 0W * ?": "2.5.2 accepts it, and there is no day 0",
  "0 0 12 1-5W * ?": "what stands behind the range is ignored",
  "0 0 12 ? * 8#3": "there is no weekday 8: never fires",
  "0 0 12 ? * MON,6#3": "# holds for the whole list, and only its first day counts",
  "0 0 12 1,, * ?": "empty items are ignored",
  "0 0 12 ,1 * ?": "empty items are ignored",
  "0 1-2-3 12 * * ?": "what stands behind a range is ignored",
  "0 5x 12 * * ?": "what stands behind a number is ignored",
  "0 *5 12 * * ?": "what stands behind * is ignored",
  "0 *-5 12 * * ?": "what stands behind * is ignored",
  "0 1;2 12 * * ?": "what stands behind a number is ignored",
  "0 1.5 12 * * ?": "what stands behind a number is ignored",
  "0 0 12 * * ? *x": "what stands behind * is ignored",
};

describe("Quartz's vectors", () => {
  test("are many: expressions, zones and start times", () => {
    expect(new Set(file.vectors.map((vector) => vector[1])).size).toBeGreaterThanOrEqual(150);
    expect(new Set(file.vectors.map((vector) => vector[2])).size).toBeGreaterThanOrEqual(13);
    expect(file.vectors.length).toBeGreaterThanOrEqual(1_000);
  });

  test("where its versions disagree, we follow one, with a reason", () => {
    const disagreeing = file.vectors.filter((vector) => vector[5] !== null).map((vector) => vector[1]);
    expect([...new Set(disagreeing)].sort()).toEqual(Object.keys(followed).sort());
  });

  test("without changing clocks every fire is Quartz's", () => {
    const checked = file.vectors.filter(({ 0: group, 2: zone, 3: from }) => group !== "dst" && !nearChange(zone, from));
    expect(checked.length).toBeGreaterThanOrEqual(500);
    for (const vector of checked) expect(ours(vector), title(vector)).toEqual(instants(vector));
  });

  test("where clocks change, what differs has a reason, and nothing else differs", () => {
    const counts: Record<string, number> = {};
    for (const vector of file.vectors) for (const why of differences(vector)) counts[why] = (counts[why] ?? 0) + 1;
    expect(counts).toEqual({
      "gap: fired after it by us, left out by Quartz": 58,
      "overlap: fired in the first showing by us": 67,
      "overlap: fired in the second showing by Quartz": 67,
      "overlap: hourly, one showing is left out by Quartz": 81,
      "gap of two hours: the hour behind it is left out by Quartz": 9,
    });
  });

  test("what Quartz refuses is refused", () => {
    for (const [expression] of file.rejected) expect(() => parseCron(expression), expression).toThrow(CronError);
    expect(file.rejected.filter(([, old, recent]) => !old && !recent).length).toBeGreaterThanOrEqual(70);
  });

  test("what Quartz accepts and we refuse has a reason", () => {
    const accepted = file.rejected.filter(([, old, recent]) => old || recent).map(([expression]) => expression);
    expect(accepted.sort()).toEqual(Object.keys(stricter).sort());
  });
});

function ours([, expression, zone, from]: Vector): readonly number[] {
  const cron = parseCron(expression);
  const fires: number[] = [];
  for (let at = nextFire(cron, zoneOf(zone), from * 1_000); at !== null; at = nextFire(cron, zoneOf(zone), at)) {
    if (fires.length === fireCount || at >= horizonMs) break;
    fires.push(at);
  }
  return fires;
}

function instants([, expression, , from, old, recent]: Vector): readonly number[] {
  const fires = recent !== null && followed[expression]?.version === "2.5.2" ? recent : old;
  if (typeof fires === "string") throw new Error(`Expected fires, found Quartz's refusal of ${expression}: ${fires}`);
  let at = from * 1_000;
  return fires.map((seconds) => {
    at += seconds * 1_000;
    return at;
  });
}

// ── Where clocks change ────────────────────────────────────────────────────────────────────────────────────────────

/** The change of clocks within a day of this instant, if there is one. */
function changeNear(zone: Zone, ms: number) {
  const { endMs, offsetMs } = zone.pieceAt(ms - 86_400_000);
  const after = zone.pieceAt(endMs);
  if (endMs > ms + 86_400_000 || after.offsetMs === offsetMs) return undefined;
  return { at: endMs, gapMs: after.offsetMs - offsetMs };
}

const nearChange = (zone: string, from: number) => changeNear(zoneOf(zone), from * 1_000) !== undefined;

/** One reason for each fire that only one side has. */
function differences(vector: Vector): readonly string[] {
  const [us, quartz] = [ours(vector), instants(vector)];
  // The side with more fires ends earlier: behind that they cannot be compared.
  const end = Math.min(us.at(-1) ?? 0, quartz.at(-1) ?? 0);
  const cron = parseCron(vector[1]);
  const zone = zoneOf(vector[2]);
  const only = (one: readonly number[], other: readonly number[]) =>
    one.filter((ms) => ms <= end && !other.includes(ms));
  return [
    ...only(us, quartz).map((ms) => reasonForUs(vector, cron, zone, ms)),
    ...only(quartz, us).map((ms) => reasonForQuartz(vector, cron, zone, ms, us)),
  ];
}

function reasonForUs(vector: Vector, cron: Cron, zone: Zone, ms: number): string {
  const change = changeNear(zone, ms);
  if (change !== undefined && change.gapMs > 0 && !cron.isHourly && ms === change.at)
    return "gap: fired after it by us, left out by Quartz";
  const isShownFirst = change !== undefined && ms < change.at && ms >= change.at + change.gapMs;
  const isShownAgain = change !== undefined && ms >= change.at && ms < change.at - change.gapMs;
  if ((isShownFirst || isShownAgain) && cron.isHourly) return "overlap: hourly, one showing is left out by Quartz";
  if (isShownFirst) return "overlap: fired in the first showing by us";
  if (change?.gapMs === 7_200_000 && ms >= change.at && ms < change.at + 3_600_000)
    return "gap of two hours: the hour behind it is left out by Quartz";
  throw new Error(`No reason why only we fire at ${new Date(ms).toISOString()}: ${title(vector)}`);
}

function reasonForQuartz(vector: Vector, cron: Cron, zone: Zone, ms: number, us: readonly number[]): string {
  const change = changeNear(zone, ms);
  const isShownAgain = change !== undefined && ms >= change.at && ms < change.at - change.gapMs;
  const first = change === undefined ? ms : ms + change.gapMs;
  if (isShownAgain && !cron.isHourly && (us.includes(first) || first <= vector[3] * 1_000))
    return "overlap: fired in the second showing by Quartz";
  throw new Error(`No reason why only Quartz fires at ${new Date(ms).toISOString()}: ${title(vector)}`);
}

function title([, expression, zone, from]: Vector): string {
  return `${expression} in ${zone} after ${new Date(from * 1_000).toISOString()}`;
}
