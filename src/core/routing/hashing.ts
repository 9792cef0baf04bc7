// Two ways to give the same name to the same executor while the set of executors changes.
import type { Md5 } from "./route.ts";

const nodesPerAddress = 100;

/**
 * Consistent hashing as XXL-JOB does it, so that a job stays where it was after moving in: 100 virtual nodes for each
 * address, named `SHARD-{address}-NODE-{i}`; the first at or after the job's hash, round the ring.
 */
export function hashRing(addresses: readonly string[], job: string, md5: Md5): string | undefined {
  const wanted = hashOf(job, md5);
  let next: Node | undefined;
  let smallest: Node | undefined;
  for (const address of addresses) {
    for (let i = 0; i < nodesPerAddress; i++) {
      const node = { hash: hashOf(`SHARD-${address}-NODE-${i}`, md5), address };
      if (smallest === undefined || node.hash < smallest.hash) smallest = node;
      if (node.hash >= wanted && (next === undefined || node.hash < next.hash)) next = node;
    }
  }
  return (next ?? smallest)?.address;
}

interface Node {
  readonly hash: number;
  readonly address: string;
}

/** Highest random weight (Thaler and Ravishankar, 1998): when one leaves, only its own names move. */
export function rendezvous(addresses: readonly string[], key: string, md5: Md5): string | undefined {
  let best: Node | undefined;
  for (const address of addresses) {
    const node = { hash: hashOf(`${address}\n${key}`, md5), address };
    if (best === undefined || node.hash > best.hash) best = node;
  }
  return best?.address;
}

/** The first four bytes, the lowest first. */
export function hashOf(text: string, md5: Md5): number {
  const [a = 0, b = 0, c = 0, d = 0] = md5(text);
  return (d * 0x1000000 + (c << 16) + (b << 8) + a) >>> 0;
}
