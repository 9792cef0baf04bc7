import type { TransactionGuard } from "./dialect.ts";

/** PostgreSQL refuses what follows an error; on SQLite the adapters look. */
export const noGuard: TransactionGuard = {
  *enter() {},
  *leave() {},
};

export const guardSavepoint = "makegood_body";

/**
 * A savepoint lives exactly as long as its transaction: releasing it fails (1305) if a deadlock, COMMIT, ROLLBACK or a DDL
 * statement has ended that in between, also where the body began another. It needs no right and is the same on MySQL and
 * MariaDB, where `@@in_transaction` is MariaDB's alone and `information_schema.innodb_trx` asks for PROCESS.
 */
export const guardMysql: TransactionGuard = {
  *enter() {
    yield { sql: `SAVEPOINT ${guardSavepoint}`, parameters: [] };
  },
  *leave() {
    yield { sql: `RELEASE SAVEPOINT ${guardSavepoint}`, parameters: [] };
  },
};
