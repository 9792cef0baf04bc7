export { type MysqlOptions, mysql, mysqlFromUrl } from "./store/mysql/mysql.ts";
