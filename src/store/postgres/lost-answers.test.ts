import { describeWithPostgres } from "../../../test/services/describe.ts";
import { testLostAnswers } from "../testing/lost-answers.ts";
import { openStore } from "./testing/store.ts";

describeWithPostgres("answers that get lost", (database) => {
  testLostAnswers({
    url: () => database.url,
    open: openStore,
    deadlineMs: 500,
    sent: { flush: "makegood-flush", commit: "COMMIT\u0000", claim: "makegood-claim", audit: "makegood.audit" },
  });
});
