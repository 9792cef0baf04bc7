import { openSequelize } from "../../../test/participant/orm-clients.ts";
import { testMysqlParticipant, testPostgresParticipant } from "../../../test/participant/run-claims.ts";
import { describeWithMariadb, describeWithPostgres } from "../../../test/services/describe.ts";

describeWithPostgres("sequelize", (database) =>
  testPostgresParticipant("Sequelize on PostgreSQL", database, openSequelize),
);
describeWithMariadb("sequelize", (database) => testMysqlParticipant("Sequelize on MariaDB", database, openSequelize));
