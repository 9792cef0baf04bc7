import { describeWithOwnPostgres } from "../../../test/services/describe.ts";
import { testRestarts } from "../testing/restart.ts";
import { openStore } from "./testing/store.ts";

describeWithOwnPostgres("a restart of the server", (server) => {
  testRestarts({
    url: () => server().url,
    open: openStore,
    restarts: {
      fast: () => server().restart("fast"),
      immediate: () => server().restart("immediate"),
      kill: () => server().restart("kill"),
    },
    stop: () => server().stop("immediate"),
    start: () => server().start(),
    countBroken:
      "SELECT count(*) AS count FROM makegood.execution e WHERE namespace = $1 AND status = 'completed' AND (SELECT count(*) FROM makegood.journal j WHERE j.execution_id = e.id) <> 3",
    pushes: true,
  });
});
