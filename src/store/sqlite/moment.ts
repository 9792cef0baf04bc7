import { uuidV7 } from "../../core/ids.ts";
import type { Clock, Random } from "../../core/ports.ts";
import { idToBytes } from "./id-bytes.ts";

/** What the statements of one transaction share: the instant, and the source of ids for audit and incident rows. */
export interface Moment {
  /** Epoch ms. SQLite has no clock of its own: this is the process's, on the one machine that the file is on. */
  readonly now: number;
  /** UUIDv7, rising within this process also within one millisecond, so that rows sort in the order of writing. */
  newId(): Uint8Array;
}

/** Twelve bits of a UUIDv7 that may count (RFC 9562 §6.2, method 1). */
const maxCount = 0xfff;

export function createMoments(clock: Pick<Clock, "now">, random: Pick<Random, "bytes">): () => Moment {
  let lastMs = 0;
  let count = 0;
  const newId = (now: number): Uint8Array => {
    if (now > lastMs) [lastMs, count] = [now, 0];
    else if (++count > maxCount) [lastMs, count] = [lastMs + 1, 0];
    const bytes = Uint8Array.from(random.bytes(10));
    bytes[0] = count >> 8;
    bytes[1] = count & 0xff;
    return idToBytes(uuidV7(lastMs, bytes));
  };
  return () => {
    const now = Math.floor(clock.now());
    return { now, newId: () => newId(now) };
  };
}
