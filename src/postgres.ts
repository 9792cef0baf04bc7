export { type NodePostgresOptions, nodePostgres } from "./participant/adapters/pg.ts";
export { postgresJs } from "./participant/adapters/postgres-js.ts";
export { type PostgresOptions, postgres, postgresFromUrl } from "./store/postgres/postgres.ts";
