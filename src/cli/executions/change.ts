// Commands that name one execution and put it right, or end it.

import { changeCommand } from "../change-command.ts";
import type { Command } from "../command.ts";
import { UsageError } from "../usage-error.ts";

const execution = { group: "executions", of: { text: "the id of an execution", usage: "ID" } } as const;
const outcomes = ["completed", "compensated"] as const;

export const changeCommands: readonly Command[] = [
  changeCommand({
    ...execution,
    name: "cancel",
    summary: "turns an execution back: what it did is undone",
    more: `Its children first, then its steps in reverse order. Refused behind its pivot and after its end. A run on an
executor is told to stop.`,
    run: async (app, id, options) => {
      await app.cancel(id, options);
      return `${id}  turning back`;
    },
  }),
  changeCommand({
    ...execution,
    name: "kill",
    summary: "ends an execution at once, and undoes nothing",
    more: "The last resort: what it did stays, and an incident tells a person so. Refused after its end.",
    run: async (app, id, options) => {
      await app.kill(id, options);
      return `${id}  killed`;
    },
  }),
  changeCommand({
    ...execution,
    name: "resume",
    summary: "lets a parked execution go on",
    more: "For example after the code that fits was deployed. Refused unless it is parked.",
    run: async (app, id, options) => {
      await app.resume(id, options);
      return `${id}  goes on`;
    },
  }),
  changeCommand({
    ...execution,
    name: "retry",
    summary: "lets a parked execution go on, with fresh attempts",
    more: "The step or compensation that used its attempts or its time up begins afresh. Refused unless it is parked.",
    run: async (app, id, options) => {
      await app.retry(id, options);
      return `${id}  goes on with fresh attempts`;
    },
  }),
  changeCommand({
    ...execution,
    name: "settle",
    summary: "ends a parked execution by a person's word",
    more: `For one whose effects were put right by hand; the record bears who said so. Nothing is run any more. Refused
unless it is parked.`,
    options: {
      as: { value: "OUTCOME", help: "completed, or compensated: all was undone", isRequired: true },
    },
    run: async (app, id, options, given) => {
      const as = given("as");
      const outcome = outcomes.find((one) => one === as);
      if (outcome === undefined)
        throw new UsageError(
          `--as: expected ${outcomes.join(" or ")}, found ${as === undefined ? "nothing" : JSON.stringify(as)}.`,
        );
      await app.settle(id, { outcome }, options);
      return `${id}  ${outcome}`;
    },
  }),
];
