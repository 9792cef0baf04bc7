import { openPg } from "../../../test/participant/postgres-clients.ts";
import { testPostgresParticipant } from "../../../test/participant/run-claims.ts";
import { describeWithPostgres } from "../../../test/services/describe.ts";

describeWithPostgres("nodePostgres", (database) => {
  testPostgresParticipant("pg", database, openPg);
});
