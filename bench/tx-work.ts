// What the three steps of the suite `tx` do in the user's own table, the same for all who take part.

export const txWork = {
  table: "CREATE TABLE bench_order (id varchar(100) PRIMARY KEY, state varchar(20) NOT NULL)",
  /** `?1` is the order; on PostgreSQL it is `$1`, on MariaDB `?`. */
  steps: [
    "INSERT INTO bench_order (id, state) VALUES (?1, 'created')",
    "UPDATE bench_order SET state = 'reserved' WHERE id = ?1",
    "UPDATE bench_order SET state = 'paid' WHERE id = ?1",
  ],
  paidCount: "SELECT count(*) AS count FROM bench_order WHERE state = 'paid'",
  /** Connections of the user's pool, on a server. */
  connections: 16,
  width: 64,
} as const;

export const onPostgres = (sql: string): string => sql.replaceAll("?1", "$1");
export const onMariadb = (sql: string): string => sql.replaceAll("?1", "?");
