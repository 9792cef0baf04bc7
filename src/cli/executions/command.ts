import { groupCommand } from "../group-command.ts";
import { listCommand } from "./list.ts";
import { logCommand } from "./log.ts";

export const executionsCommand = groupCommand("executions", "shows executions", [listCommand, logCommand]);
