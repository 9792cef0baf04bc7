import { createConnection } from "mysql2/promise";
import { describeWithMariadb } from "../../../test/services/describe.ts";
import { runScript } from "../../core/script.ts";
import { testLocks } from "../testing/locks.ts";
import { openStore, rowsFrom } from "./testing/store.ts";
import { idBytes } from "./values.ts";

describeWithMariadb("locks", (database) => {
  testLocks({
    open: (options) => openStore(database.url, options),
    async begin() {
      const connection = await createConnection({ uri: database.url });
      await connection.query("START TRANSACTION");
      return {
        query: (sql, parameters) => connection.query(sql, [...parameters]),
        run: (script) => runScript(script, rowsFrom(connection)),
        commit: async () => void (await connection.query("COMMIT")),
        rollback: async () => void (await connection.query("ROLLBACK")),
        end: () => connection.end(),
      };
    },
    lockGuard: (user, id) => user.query("SELECT 1 FROM makegood_execution WHERE id = ? FOR UPDATE", [idBytes(id)]),
    insertKey:
      "INSERT INTO makegood_execution_key (namespace, job, `key`, execution_id, fingerprint, retain_ms) VALUES (?, 'place-order', ?, RANDOM_BYTES(16), '', 0)",
    countSlots: "SELECT COUNT(*) AS count FROM makegood_slot WHERE namespace = ?",
    countWaiting: `
      SELECT COUNT(*) AS count FROM information_schema.innodb_trx t JOIN information_schema.processlist p ON p.id = t.trx_mysql_thread_id
       WHERE p.db = DATABASE() AND t.trx_state = 'LOCK WAIT'`,
    // The list is read anew only if nobody has asked for a tenth of a second.
    countsEveryMs: 150,
    leastLockTimeoutMs: 1_000,
  });
});
