import { describeWithMariadb } from "../../../test/services/describe.ts";
import { testLostAnswers } from "../testing/lost-answers.ts";
import { openStore } from "./testing/store.ts";

/** As the protocol sends it. */
const commit = "\u0003COMMIT";

describeWithMariadb("answers that get lost", (database) => {
  testLostAnswers({
    url: () => database.url,
    open: openStore,
    deadlineMs: 1_000,
    sent: { flush: commit, commit, claim: commit, audit: "makegood_audit" },
  });
});
