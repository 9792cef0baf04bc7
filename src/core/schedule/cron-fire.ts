// When a cron expression fires in a time zone. Where clocks change there are two kinds of expression:
//
//   hourly (its hours are all 24)   It follows elapsed time. Local times that the clock skips are not made up for; local times
//                                   that the clock shows twice fire twice. Every ten minutes stays every ten minutes.
//   by the clock (any other)        Each local time that it names fires once: in a gap at the first instant after it (several
//                                   together, once), in an overlap when it is shown first. Daily stays daily.
//
// Quartz instead leaves out what falls into a gap, and pauses everything for the length of an overlap. Both are tested against
// its vectors; docs/decisions/0020 says why we differ.
import type { Cron } from "./cron.ts";
import { nextLocal, previousLocal } from "./cron-time.ts";
import { instantOf, maxOffsetMs, type Zone } from "./zone.ts";

/** The first fire after `afterMs`, in epoch ms; null: none before the year 2200. */
export function nextFire(cron: Cron, zone: Zone, afterMs: number): number | null {
  return cron.isHourly ? nextElapsed(cron, zone, afterMs) : nextByClock(cron, zone, afterMs);
}

/** The last fire before `beforeMs`, in epoch ms; null: none since 1970. */
export function previousFire(cron: Cron, zone: Zone, beforeMs: number): number | null {
  return cron.isHourly ? previousElapsed(cron, zone, beforeMs) : previousByClock(cron, zone, beforeMs);
}

// ── By the clock ───────────────────────────────────────────────────────────────────────────────────────────────────

function nextByClock(cron: Cron, zone: Zone, afterMs: number): number | null {
  const piece = zone.pieceAt(afterMs);
  // What an overlap shows a second time has fired already.
  const shownUntil = piece.startMs + Math.max(piece.previousOffsetMs, piece.offsetMs);
  const local = nextLocal(cron, Math.max(secondAfter(afterMs + piece.offsetMs), shownUntil));
  return local === null ? null : instantOf(zone, local);
}

function previousByClock(cron: Cron, zone: Zone, beforeMs: number): number | null {
  const last = secondBefore(beforeMs);
  const piece = zone.pieceAt(last);
  const shownUntil = piece.startMs + Math.max(piece.previousOffsetMs, piece.offsetMs);
  const local = previousLocal(cron, Math.max(last + piece.offsetMs, shownUntil - 1_000));
  return local === null ? null : instantOf(zone, local);
}

// ── By elapsed time ────────────────────────────────────────────────────────────────────────────────────────────────

/** Local times run against elapsed time only within this distance of an overlap. */
const nearMs = 2 * maxOffsetMs;

function nextElapsed(cron: Cron, zone: Zone, afterMs: number): number | null {
  const first = secondAfter(afterMs);
  for (let from = first; ; ) {
    const piece = zone.pieceAt(from);
    const local = nextLocal(cron, from + piece.offsetMs);
    if (local === null) return null;
    const instant = local - piece.offsetMs;
    if (instant < piece.endMs) return instant;
    // Piece by piece near the start, where an overlap may show an earlier local time again; then straight to the fire.
    from = piece.endMs - first < nearMs ? piece.endMs : Math.max(piece.endMs, instant - nearMs);
  }
}

function previousElapsed(cron: Cron, zone: Zone, beforeMs: number): number | null {
  const last = secondBefore(beforeMs);
  for (let from = last; ; ) {
    const piece = zone.pieceAt(from);
    const local = previousLocal(cron, from + piece.offsetMs);
    if (local === null) return null;
    const instant = local - piece.offsetMs;
    if (instant >= piece.startMs) return instant;
    const end = piece.startMs - 1_000;
    from = last - end < nearMs ? end : Math.min(end, instant + nearMs);
  }
}

function secondAfter(ms: number): number {
  return Math.floor(ms / 1_000) * 1_000 + 1_000;
}

function secondBefore(ms: number): number {
  return Math.ceil(ms / 1_000) * 1_000 - 1_000;
}
