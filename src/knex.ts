export { knex } from "./participant/adapters/knex.ts";
