import { describeWithOwnMariadb } from "../../../test/services/describe.ts";
import { testRestarts } from "../testing/restart.ts";
import { openStore } from "./testing/store.ts";

describeWithOwnMariadb("a restart of the server", (server) => {
  testRestarts({
    url: () => server().url,
    open: openStore,
    restarts: {
      fast: () => server().restart("fast"),
      kill: () => server().restart("kill"),
    },
    stop: () => server().stop("kill"),
    start: () => server().start(),
    countBroken:
      "SELECT COUNT(*) AS count FROM makegood_execution e WHERE namespace = ? AND status = 'completed' AND (SELECT COUNT(*) FROM makegood_journal j WHERE j.execution_id = e.id) <> 3",
    pushes: false,
  });
});
