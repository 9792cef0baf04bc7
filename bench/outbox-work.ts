// What a business transaction and the consumer of its message do in the suite `outbox`, the same for all who take part.

export const outboxWork = {
  tables: [
    "CREATE TABLE bench_placed (id integer PRIMARY KEY)",
    // No unique key: an effect that happened twice is seen.
    "CREATE TABLE bench_awarded (id integer NOT NULL)",
  ],
  /** `?1` is the number of the order; on PostgreSQL it is `$1`, on MariaDB `?`. */
  place: "INSERT INTO bench_placed (id) VALUES (?1)",
  award: "INSERT INTO bench_awarded (id) VALUES (?1)",
  awardedCount: "SELECT count(*) AS count, count(DISTINCT id) AS distinct_count FROM bench_awarded",
  /** Connections of the user's pool, on a server. */
  connections: 64,
  width: 64,
} as const;
