// The names of routing and blocking strategies, ours and XXL-JOB's for the same thing.
import { describeValue, OptionError } from "../errors.ts";
import { type BlockingStrategy, blockingStrategies } from "../store.ts";

export const routingStrategies = [
  "first",
  "last",
  "round",
  "random",
  "consistent-hash",
  "least-frequently-used",
  "least-recently-used",
  "failover",
  "busyover",
  "broadcast",
  "least-loaded",
  "affinity",
] as const;
export type RoutingStrategy = (typeof routingStrategies)[number];

const routingAliases: Readonly<Record<string, RoutingStrategy>> = {
  FIRST: "first",
  LAST: "last",
  ROUND: "round",
  RANDOM: "random",
  CONSISTENT_HASH: "consistent-hash",
  LEAST_FREQUENTLY_USED: "least-frequently-used",
  LEAST_RECENTLY_USED: "least-recently-used",
  FAILOVER: "failover",
  BUSYOVER: "busyover",
  SHARDING_BROADCAST: "broadcast",
};

const blockingAliases: Readonly<Record<string, BlockingStrategy>> = {
  SERIAL_EXECUTION: "serial",
  DISCARD_LATER: "discard-new",
  COVER_EARLY: "replace-running",
};

/** By our name or by XXL-JOB's. Throws OPTION_INVALID, naming `where`. */
export function parseRoutingStrategy(text: unknown, where: string): RoutingStrategy {
  return parse(text, routingStrategies, routingAliases, where);
}

/** By our name or by XXL-JOB's. Throws OPTION_INVALID, naming `where`. */
export function parseBlockingStrategy(text: unknown, where: string): BlockingStrategy {
  return parse(text, blockingStrategies, blockingAliases, where);
}

function parse<T extends string>(
  text: unknown,
  names: readonly T[],
  aliases: Readonly<Record<string, T>>,
  where: string,
): T {
  const found = names.find((name) => name === text) ?? (typeof text === "string" ? aliasOf(text, aliases) : undefined);
  if (found !== undefined) return found;
  const known = [...names, ...Object.keys(aliases)].join(", ");
  throw new OptionError(where, `${where}: expected one of ${known}, found ${describeValue(text)}`);
}

const aliasOf = <T>(text: string, aliases: Readonly<Record<string, T>>): T | undefined =>
  Object.hasOwn(aliases, text) ? aliases[text] : undefined;
