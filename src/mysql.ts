export { type Mysql2Options, mysql2 } from "./participant/adapters/mysql2.ts";
export { type MysqlOptions, mysql, mysqlFromUrl } from "./store/mysql/mysql.ts";
