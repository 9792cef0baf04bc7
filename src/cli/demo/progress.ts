import type { Terminal } from "../command.ts";

export interface ProgressState {
  /** In 0 … 1. */
  readonly fraction: number;
  readonly doneCount: number;
  readonly totalCount: number;
  readonly killCount: number;
  readonly plannedKillCount: number;
  readonly seconds: number;
}

export interface Progress {
  show(state: ProgressState): void;
  /** Leaves the terminal as other output expects it. */
  end(): void;
}

const barWidth = 20;
/** Where nothing can be drawn over, as in the log of a build: a line for each tenth. */
const plainSteps = 10;

/** A bar on standard error that is drawn over; one line per tenth where standard error is no terminal. */
export function makeProgress(terminal: Terminal): Progress {
  let shownStep = -1;
  let isDrawn = false;
  return {
    show(state) {
      if (terminal.isInteractive) {
        terminal.redraw(progressLine(state).slice(0, terminal.columns - 1));
        isDrawn = true;
        return;
      }
      const step = Math.floor(state.fraction * plainSteps);
      if (step <= shownStep) return;
      shownStep = step;
      terminal.printError(progressLine(state));
    },
    end() {
      if (isDrawn) terminal.redraw("");
    },
  };
}

export function progressLine(state: ProgressState): string {
  const filled = Math.floor(barWidth * state.fraction);
  const bar = "#".repeat(filled) + "-".repeat(barWidth - filled);
  const percent = `${Math.floor(100 * state.fraction)}`.padStart(3);
  const done = `${state.doneCount} of ${state.totalCount} orders`;
  return `[${bar}] ${percent} %  ${done}  ${state.killCount} of ${state.plannedKillCount} kills  ${Math.floor(state.seconds)} s`;
}
