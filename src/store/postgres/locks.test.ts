import pg from "pg";
import { describeWithPostgres } from "../../../test/services/describe.ts";
import { runScript } from "../../core/script.ts";
import { testLocks } from "../testing/locks.ts";
import { openStore, rowsFrom } from "./testing/store.ts";

describeWithPostgres("locks", (database) => {
  testLocks({
    open: (options) => openStore(database.url, options),
    async begin() {
      const client = new pg.Client({ connectionString: database.url });
      await client.connect();
      await client.query("BEGIN");
      return {
        query: (sql, parameters) => client.query(sql, [...parameters]),
        run: (script) => runScript(script, rowsFrom(client)),
        commit: async () => void (await client.query("COMMIT")),
        rollback: async () => void (await client.query("ROLLBACK")),
        end: () => client.end(),
      };
    },
    lockGuard: (user, id) => user.query("SELECT FROM makegood.execution WHERE id = $1 FOR UPDATE", [id]),
    insertKey:
      "INSERT INTO makegood.execution_key (namespace, job, key, execution_id, fingerprint, retain_ms) VALUES ($1, 'place-order', $2, gen_random_uuid(), '', 0)",
    countSlots: "SELECT count(*) AS count FROM makegood.slot WHERE namespace = $1",
    countWaiting:
      "SELECT count(*) AS count FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'",
    countsEveryMs: 0,
    leastLockTimeoutMs: 50,
  });
});
