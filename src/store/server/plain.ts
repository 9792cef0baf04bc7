// What a flush takes.
import type { NewExecution, Write } from "../../core/store.ts";

export const isPlainStart = (start: NewExecution): boolean =>
  start.concurrencyKey === null && start.replacesRound === null;

export function isPlainWrite({ attempts, takes, children, progress, transition }: Write): boolean {
  const isBare =
    [attempts, takes, children].every((list) => list === undefined || list.length === 0) && progress === undefined;
  return (
    isBare &&
    (transition === undefined || (transition.name !== "park" && !transition.parent && transition.holdsSlot !== true))
  );
}
