// Every suite, in the order in which `all` runs them.
import { jobs } from "./suites/jobs.ts";
import { sagas } from "./suites/sagas.ts";
import { steps } from "./suites/steps.ts";
import type { Suite } from "./suites/suite.ts";
import { tx } from "./suites/tx.ts";

export const suites: readonly Suite[] = [jobs, steps, sagas, tx];
