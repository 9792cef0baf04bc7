export { mikroOrm } from "./participant/adapters/mikro-orm.ts";
