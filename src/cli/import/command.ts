import { groupCommand } from "../group-command.ts";
import { xxlJobCommand } from "./xxl-job.ts";

export const importCommand = groupCommand("import", "takes over schedules of another scheduler", [xxlJobCommand]);
