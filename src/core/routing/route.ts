// Which executor runs it. A decision over values: the addresses, what is known of their use and load, chance. What has to be
// asked of an executor (is it alive, is it idle) comes out as a probe, in the order in which to ask.
import { assertNever } from "../errors.ts";
import { hashRing, rendezvous } from "./hashing.ts";
import type { RoutingStrategy } from "./strategies.ts";

export type Md5 = (text: string) => Uint8Array;

/** What is remembered of earlier choices, for one handler of one group. */
export interface RoutingMemory {
  /** Choices so far. */
  readonly count: number;
  /** Per address: how often, and as which choice it was taken last. */
  readonly used: Readonly<Record<string, { readonly count: number; readonly last: number }>>;
}
export const emptyMemory: RoutingMemory = { count: 0, used: {} };

export interface RouteRequest {
  readonly strategy: RoutingStrategy;
  /** Of live executors; without duplicates. The order given is of no account. */
  readonly addresses: readonly string[];
  /** For `consistent-hash`: the same job goes to the same executor. */
  readonly job: string;
  /** For `affinity`: the same key goes to the same executor. */
  readonly key: string;
  readonly memory: RoutingMemory;
  /** For `least-loaded`: runs under way, by address. */
  readonly loads: Readonly<Record<string, number>>;
  /** In [0, 1). */
  readonly random: number;
  readonly md5: Md5;
}

export interface Route {
  /** To be tried in this order; more than one only with a probe. For a broadcast: all, one shard each. */
  readonly addresses: readonly string[];
  /** What an executor must answer to be chosen. */
  readonly probe: "none" | "alive" | "idle";
  /** To be kept once `addresses[0]` was chosen. Unchanged for strategies without a memory. */
  readonly memory: RoutingMemory;
}

/** Empty addresses give an empty route. */
export function route(request: RouteRequest): Route {
  const addresses = [...request.addresses].sort(byText);
  const { memory } = request;
  const one = (address: string | undefined): Route => ({
    addresses: address === undefined ? [] : [address],
    probe: "none",
    memory,
  });
  const remembered = (address: string | undefined): Route => ({
    ...one(address),
    memory: use(memory, address, addresses),
  });
  switch (request.strategy) {
    case "first":
      return one(addresses[0]);
    case "last":
      return one(addresses.at(-1));
    case "round":
      return remembered(addresses[memory.count % Math.max(1, addresses.length)]);
    case "random":
      return one(addresses[Math.floor(request.random * addresses.length)]);
    case "consistent-hash":
      return one(hashRing(addresses, request.job, request.md5));
    case "affinity":
      return one(rendezvous(addresses, request.key, request.md5));
    case "least-frequently-used":
      return remembered(least(addresses, (address) => memory.used[address]?.count ?? 0));
    case "least-recently-used":
      return remembered(least(addresses, (address) => memory.used[address]?.last ?? -1));
    case "least-loaded":
      return one(least(addresses, (address) => request.loads[address] ?? 0));
    case "failover":
      return { addresses, probe: "alive", memory };
    case "busyover":
      return { addresses, probe: "idle", memory };
    case "broadcast":
      return { addresses, probe: "none", memory };
    default:
      return assertNever(request.strategy);
  }
}

const byText = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);

/** The first of those with the smallest number. */
function least(addresses: readonly string[], numberOf: (address: string) => number): string | undefined {
  return addresses.reduce<string | undefined>(
    (best, address) => (best === undefined || numberOf(address) < numberOf(best) ? address : best),
    undefined,
  );
}

/**
 * A new executor joins at the smallest count of the others, so that it is not given everything until it has caught up; those
 * that are gone are forgotten.
 */
function use(memory: RoutingMemory, address: string | undefined, addresses: readonly string[]): RoutingMemory {
  if (address === undefined) return memory;
  const known = addresses.filter((other) => memory.used[other] !== undefined);
  const floor = known.length === 0 ? 0 : Math.min(...known.map((other) => memory.used[other]?.count ?? 0));
  const used = Object.fromEntries(addresses.map((other) => [other, memory.used[other] ?? { count: floor, last: -1 }]));
  const before = used[address] ?? { count: floor, last: -1 };
  return { count: memory.count + 1, used: { ...used, [address]: { count: before.count + 1, last: memory.count } } };
}
