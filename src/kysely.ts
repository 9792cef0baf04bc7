export { type KyselyOptions, kysely } from "./participant/adapters/kysely.ts";
