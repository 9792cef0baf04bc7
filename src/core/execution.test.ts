import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  allows,
  type GuardState,
  isTerminal,
  phases,
  reasons,
  shownState,
  shownStates,
  statuses,
  type TransitionName,
  type TransitionRule,
  transitions,
} from "./execution.ts";

const names = Object.keys(transitions) as TransitionName[];
const rules: readonly (readonly [TransitionName, TransitionRule])[] = names.map((name) => [name, transitions[name]]);
const guards = fc.record({
  status: fc.constantFrom(...statuses),
  phase: fc.constantFrom(...phases),
  isCanceled: fc.boolean(),
  inbox: fc.nat(3),
});

describe("the state table", () => {
  it("lets nothing happen to a terminal execution", () => {
    fc.assert(
      fc.property(guards, fc.constantFrom(...names), (guard, name) => {
        fc.pre(isTerminal(guard.status));
        expect(allows(name, guard, guard.inbox)).toBe(false);
      }),
    );
  });

  it("moves the phase only from open to any other, and from pivoted to confirming", () => {
    const moves = rules.flatMap(([, rule]) =>
      rule.phase === null ? [] : rule.phases.map((from) => `${from} → ${rule.phase}`),
    );
    expect(new Set(moves)).toEqual(
      new Set(["open → pivoted", "open → confirming", "pivoted → confirming", "open → back"]),
    );
  });

  it("never completes what an accepted cancel met while it was open", () => {
    for (const name of ["complete", "pivot", "confirm"] as const) {
      const guard: GuardState = { status: "running", phase: "open", isCanceled: true, inbox: 0 };
      expect(allows(name, guard)).toBe(false);
      expect(allows(name, { ...guard, isCanceled: false })).toBe(true);
    }
    expect(allows("complete", { status: "running", phase: "pivoted", isCanceled: true, inbox: 0 })).toBe(true);
  });

  it("never completes what turned back, and compensates nothing else", () => {
    for (const phase of phases) {
      const guard: GuardState = { status: "running", phase, isCanceled: false, inbox: 0 };
      expect(allows("complete", guard)).toBe(phase !== "back");
      expect(allows("compensated", guard)).toBe(phase === "back");
    }
  });

  it("accepts a cancel only before the pivot", () => {
    for (const phase of phases)
      expect(allows("cancel", { status: "running", phase, isCanceled: false, inbox: 0 })).toBe(phase === "open");
  });

  it("does not put an execution to sleep beside an unread message", () => {
    const guard: GuardState = { status: "running", phase: "open", isCanceled: false, inbox: 2 };
    expect(allows("suspend", guard, 1)).toBe(false);
    expect(allows("suspend", guard)).toBe(false);
    expect(allows("suspend", guard, 2)).toBe(true);
  });

  it("raises the token wherever the owner changes or loses it against its will", () => {
    const raising = rules.filter(([, rule]) => rule.raisesToken).map(([name]) => name);
    expect(raising).toEqual(["claim", "rescue", "park-no-progress", "adopt", "kill"]);
  });

  it("leaves an end within reach of every unfinished state", () => {
    const starts = statuses
      .filter((status) => !isTerminal(status))
      .flatMap((status) => phases.map((phase) => ({ status, phase })));
    for (const start of starts) {
      const seen = new Set<string>();
      const queue = [start as { status: (typeof statuses)[number]; phase: (typeof phases)[number] }];
      let ends = false;
      for (let at = queue.shift(); at !== undefined && !ends; at = queue.shift()) {
        const { status, phase } = at;
        if (isTerminal(status) && status !== "killed") ends = true;
        if (seen.has(`${status} ${phase}`)) continue;
        seen.add(`${status} ${phase}`);
        for (const [name, rule] of rules)
          if (allows(name, { status, phase, isCanceled: false, inbox: 0 }, 0))
            queue.push({ status: rule.status ?? status, phase: rule.phase ?? phase });
      }
      expect(ends, `${start.status} ${start.phase}`).toBe(true);
    }
  });

  it("shows every combination as one of the states that people know", () => {
    for (const status of statuses)
      for (const phase of phases)
        for (const reason of [null, ...reasons])
          for (const undoneCount of [0, 1])
            expect(shownStates).toContain(shownState({ status, phase, reason, undoneCount }));
    expect(shownState({ status: "compensated", phase: "back", reason: "failed", undoneCount: 0 })).toBe("failed");
    expect(shownState({ status: "compensated", phase: "back", reason: "failed", undoneCount: 2 })).toBe("compensated");
    expect(shownState({ status: "compensated", phase: "back", reason: "settled", undoneCount: 0 })).toBe("compensated");
    expect(shownState({ status: "compensated", phase: "back", reason: "canceled", undoneCount: 2 })).toBe("canceled");
    expect(shownState({ status: "running", phase: "back", reason: "failed", undoneCount: 0 })).toBe("compensating");
  });
});
