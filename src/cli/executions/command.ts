import { groupCommand } from "../group-command.ts";
import { changeCommands } from "./change.ts";
import { incidentsCommand } from "./incidents.ts";
import { listCommand } from "./list.ts";
import { logCommand } from "./log.ts";

export const executionsCommand = groupCommand("executions", "shows executions, and puts right what got stuck", [
  listCommand,
  logCommand,
  incidentsCommand,
  ...changeCommands,
]);
