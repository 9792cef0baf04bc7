import { createHash } from "node:crypto";
import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { hashOf, hashRing } from "./hashing.ts";
import { emptyMemory, type RouteRequest, type RoutingMemory, route } from "./route.ts";
import { parseBlockingStrategy, parseRoutingStrategy, type RoutingStrategy, routingStrategies } from "./strategies.ts";

const md5 = (text: string): Uint8Array => createHash("md5").update(text).digest();
const three = ["http://10.0.0.1:9999/", "http://10.0.0.2:9999/", "http://10.0.0.3:9999/"];
const request = (strategy: RoutingStrategy, more: Partial<RouteRequest> = {}): RouteRequest => ({
  strategy,
  addresses: three,
  job: "1",
  key: "A-17",
  memory: emptyMemory,
  loads: {},
  random: 0.5,
  md5,
  ...more,
});

/** Which executor is chosen, time after time. */
function choices(strategy: RoutingStrategy, times: number, addresses = three, memory: RoutingMemory = emptyMemory) {
  const chosen: number[] = [];
  let kept = memory;
  for (let n = 0; n < times; n++) {
    const made = route(request(strategy, { addresses, memory: kept }));
    kept = made.memory;
    chosen.push(addresses.indexOf(made.addresses[0] ?? ""));
  }
  return { chosen, memory: kept };
}

describe("route", () => {
  it("hashes as XXL-JOB does, so that a job that moves in stays on its executor", () => {
    expect(hashOf("1", md5)).toBe(943901380);
    expect(hashOf("SHARD-http://10.0.0.1:9999/-NODE-0", md5)).toBe(3725898238);
    const expected = [2, 2, 0, 2, 0, 2, 1, 1, 0, 0, 0, 0, 2, 2, 0, 1, 1, 0, 0, 0, 0, 1, 1, 2];
    expect(expected.map((_, at) => three.indexOf(hashRing(three, String(at + 1), md5) ?? ""))).toEqual(expected);
  });

  it("takes the first, the last, any one, each in turn", () => {
    expect(choices("first", 3).chosen).toEqual([0, 0, 0]);
    expect(choices("last", 3).chosen).toEqual([2, 2, 2]);
    expect(choices("round", 7).chosen).toEqual([0, 1, 2, 0, 1, 2, 0]);
    expect([0, 0.34, 0.99].map((random) => route(request("random", { random })).addresses[0])).toEqual(three);
  });

  it("uses all equally often, and gives a new one no more than its share", () => {
    expect(choices("least-frequently-used", 6).chosen).toEqual([0, 1, 2, 0, 1, 2]);
    expect(choices("least-recently-used", 6).chosen).toEqual([0, 1, 2, 0, 1, 2]);
    const { memory } = choices("least-frequently-used", 30);
    const four = [...three, "http://10.0.0.4:9999/"];
    const { chosen } = choices("least-frequently-used", 8, four, memory);
    expect(chosen.filter((at) => at === 3)).toHaveLength(2);
  });

  it("prefers the one with the fewest runs under way", () => {
    const loads = { [three[0] ?? ""]: 3, [three[1] ?? ""]: 1, [three[2] ?? ""]: 1 };
    expect(route(request("least-loaded", { loads })).addresses).toEqual([three[1]]);
  });

  it("asks those of a failover and a busyover in order, and sends a broadcast to all", () => {
    expect(route(request("failover"))).toMatchObject({ addresses: three, probe: "alive" });
    expect(route(request("busyover"))).toMatchObject({ addresses: three, probe: "idle" });
    expect(route(request("broadcast"))).toMatchObject({ addresses: three, probe: "none" });
  });

  it("keeps a key on its executor while others come and go", () => {
    fc.assert(
      fc.property(fc.uniqueArray(fc.webUrl(), { minLength: 2, maxLength: 6 }), fc.string(), (addresses, key) => {
        const chosen = route(request("affinity", { addresses, key })).addresses[0];
        for (const gone of addresses.filter((address) => address !== chosen)) {
          const left = addresses.filter((address) => address !== gone);
          expect(route(request("affinity", { addresses: left, key })).addresses[0]).toBe(chosen);
        }
      }),
    );
  });

  it.each(routingStrategies)(
    "%s chooses among those that are there, whatever the order, and nobody of none",
    (strategy) => {
      const reversed = [...three].reverse();
      expect(route(request(strategy, { addresses: reversed }))).toEqual(route(request(strategy)));
      for (const address of route(request(strategy)).addresses) expect(three).toContain(address);
      expect(route(request(strategy, { addresses: [] })).addresses).toEqual([]);
    },
  );
});

describe("the names of strategies", () => {
  it("are ours or XXL-JOB's", () => {
    expect(parseRoutingStrategy("LEAST_RECENTLY_USED", "route")).toBe("least-recently-used");
    expect(parseRoutingStrategy("SHARDING_BROADCAST", "route")).toBe("broadcast");
    expect(parseRoutingStrategy("affinity", "route")).toBe("affinity");
    expect(parseBlockingStrategy("COVER_EARLY", "block")).toBe("replace-running");
    expect(parseBlockingStrategy("serial", "block")).toBe("serial");
  });

  it.each(["", "Round", "constructor", 5, null])("refuse %j, naming all that are known", (text) => {
    expect(() => parseRoutingStrategy(text, "--route")).toThrow(
      expect.objectContaining({ code: "OPTION_INVALID", message: expect.stringContaining("SHARDING_BROADCAST") }),
    );
  });
});
