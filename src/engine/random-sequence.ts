import type { Sha256 } from "../core/keys.ts";

/** Numbers in [0, 1), the same sequence for the same seed: 53 bits of SHA-256 of seed and position. */
export function randomSequence(sha256: Sha256, seed: string): () => number {
  let position = 0;
  return () => {
    const bytes = sha256(`random ${seed} ${position++}`);
    let high = 0;
    for (let i = 0; i < 4; i++) high = high * 256 + (bytes[i] ?? 0);
    let low = 0;
    for (let i = 4; i < 7; i++) low = low * 256 + (bytes[i] ?? 0);
    // 32 + 21 bits: exactly what a double holds.
    return (high * 2 ** 21 + (low >>> 3)) / 2 ** 53;
  };
}
