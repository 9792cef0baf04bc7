export { sequelize } from "./participant/adapters/sequelize.ts";
