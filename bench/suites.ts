// Every suite, in the order in which `all` runs them.
import { jobs } from "./suites/jobs.ts";
import { levels } from "./suites/levels.ts";
import { lock } from "./suites/lock.ts";
import { machine } from "./suites/machine.ts";
import { once } from "./suites/once.ts";
import { outbox } from "./suites/outbox.ts";
import { recovery } from "./suites/recovery.ts";
import { sagas } from "./suites/sagas.ts";
import { scale } from "./suites/scale.ts";
import { schedules } from "./suites/schedules.ts";
import { steps } from "./suites/steps.ts";
import type { Suite } from "./suites/suite.ts";
import { tx } from "./suites/tx.ts";

export const suites: readonly Suite[] = [
  jobs,
  steps,
  sagas,
  tx,
  once,
  outbox,
  machine,
  recovery,
  scale,
  lock,
  levels,
  schedules,
];
