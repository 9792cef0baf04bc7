/** A lowercase UUIDv7 (RFC 9562 §5.7); 16 bytes in every store, this text elsewhere. Ordered by creation, guessable only in time. */
export type ExecutionId = string;

const hex: readonly string[] = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, "0"));

/** @param random ten bytes of chance, of which six bits make way for version and variant. */
export function uuidV7(nowMs: number, random: Uint8Array): ExecutionId {
  const time = Math.floor(nowMs).toString(16).padStart(12, "0");
  const at = (i: number): number => random[i] ?? 0;
  const h = (byte: number): string => hex[byte & 0xff] ?? "00";
  return `${time.slice(0, 8)}-${time.slice(8)}-${h(0x70 | (at(0) & 0x0f))}${h(at(1))}-${h(0x80 | (at(2) & 0x3f))}${h(at(3))}-${h(at(4))}${h(at(5))}${h(at(6))}${h(at(7))}${h(at(8))}${h(at(9))}`;
}

const maxSequence = 0xfff;

/**
 * Ids of one process in the order in which they were asked for, also within a millisecond and when the clock jumps back:
 * the twelve bits behind the time count up (RFC 9562 §6.2, method 1).
 */
export function createIdSource(now: () => number, randomBytes: (count: number) => Uint8Array): () => ExecutionId {
  let lastMs = 0;
  let sequence = 0;
  return () => {
    const nowMs = now();
    if (nowMs > lastMs) {
      lastMs = nowMs;
      sequence = 0;
    } else if (++sequence > maxSequence) {
      lastMs++;
      sequence = 0;
    }
    const random = Uint8Array.from(randomBytes(10));
    random[0] = sequence >> 8;
    random[1] = sequence & 0xff;
    return uuidV7(lastMs, random);
  };
}

const pattern = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;
export const isUuid = (text: unknown): text is string => typeof text === "string" && pattern.test(text);
