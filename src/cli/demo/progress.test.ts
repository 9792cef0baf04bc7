import { expect, test } from "vitest";
import { makeProgress, type ProgressState, progressLine } from "./progress.ts";

const stateAt = (fraction: number): ProgressState => ({
  fraction,
  doneCount: Math.floor(200 * fraction),
  totalCount: 200,
  killCount: 3,
  plannedKillCount: 20,
  seconds: 4.8,
});

function fakeTerminal(isInteractive: boolean) {
  const lines: string[] = [];
  const redrawn: string[] = [];
  const terminal = {
    print() {},
    printError: (text: string) => void lines.push(text),
    redraw: (line: string) => void redrawn.push(line),
    isInteractive,
    columns: 40,
  };
  return { terminal, lines, redrawn };
}

test("the line shows how far it is", () => {
  expect(progressLine(stateAt(0.5))).toBe("[##########----------]  50 %  100 of 200 orders  3 of 20 kills  4 s");
  expect(progressLine(stateAt(0.999))).toMatch(/^\[#{19}-\] {2}99 %/);
  expect(progressLine(stateAt(1))).toMatch(/^\[#{20}\] 100 %/);
});

test("on a terminal one line is drawn over, never longer than the terminal, and gone at the end", () => {
  const { terminal, lines, redrawn } = fakeTerminal(true);
  const progress = makeProgress(terminal);
  for (const fraction of [0, 0.001, 0.5]) progress.show(stateAt(fraction));
  progress.end();
  expect(lines).toEqual([]);
  expect(redrawn.map((it) => it.length)).toEqual([39, 39, 39, 0]);
});

test("elsewhere there is one line for each tenth", () => {
  const { terminal, lines, redrawn } = fakeTerminal(false);
  const progress = makeProgress(terminal);
  for (let hundredth = 0; hundredth <= 100; hundredth++) progress.show(stateAt(hundredth / 100));
  progress.end();
  expect(redrawn).toEqual([]);
  expect(lines).toHaveLength(11);
});
