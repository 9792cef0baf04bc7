import { describe, expect, it } from "vitest";
import { type Follower, findLoop, refuseLoop } from "./graph.ts";

const follower = (
  id: string,
  job: string,
  ...of: readonly (string | readonly [job: string, schedule: string])[]
): Follower => ({
  id,
  job,
  upstreams: of.map((one) => (typeof one === "string" ? { job: one } : { job: one[0], schedule: one[1] })),
});

describe("findLoop", () => {
  it("finds none in a chain, a fan and a diamond", () => {
    const diamond = [follower("2", "b", "a"), follower("3", "c", "a"), follower("4", "d", "b", "c")];
    for (const one of diamond) expect(findLoop(one, diamond)).toBeNull();
    expect(findLoop(follower("5", "e", "d"), diamond)).toBeNull();
  });

  it("finds a schedule that follows its own job, and a loop over others, in its order", () => {
    expect(findLoop(follower("1", "a", "a"), [])).toEqual(["1"]);
    const chain = [follower("2", "b", "a"), follower("3", "c", "b")];
    expect(findLoop(follower("4", "a", "c"), chain)).toEqual(["4", "2", "3"]);
  });

  it("tells schedules of one job apart", () => {
    const [two, three] = [follower("2", "call", ["call", "1"]), follower("3", "call", ["call", "2"])];
    expect(findLoop(three, [two])).toBeNull();
    expect(findLoop(follower("2", "call", ["call", "3"]), [two, three])).toEqual(["2", "3"]);
  });

  it("ends where others go round without it", () => {
    const round = [follower("2", "b", "c"), follower("3", "c", "b")];
    expect(findLoop(follower("4", "d", "b"), round)).toBeNull();
  });
});

it("refuseLoop names the schedules in the order in which they would start each other", () => {
  const act = (): void => refuseLoop(follower("1", "a", "b"), [follower("2", "b", "a")], (id) => `schedule ${id}`);
  expect(act).toThrow(
    expect.objectContaining({
      code: "SCHEDULE_LOOP",
      message: expect.stringContaining("schedule 1 → schedule 2 → schedule 1"),
    }),
  );
});
