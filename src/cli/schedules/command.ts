import { groupCommand } from "../group-command.ts";
import { addCommand } from "./add.ts";
import { changeCommands } from "./change.ts";
import { editCommand } from "./edit.ts";
import { graphCommand } from "./graph.ts";
import { listCommand } from "./list.ts";
import { nextCommand } from "./next.ts";

export const schedulesCommand = groupCommand("schedules", "makes, shows and changes schedules", [
  addCommand,
  editCommand,
  listCommand,
  ...changeCommands,
  nextCommand,
  graphCommand,
]);
