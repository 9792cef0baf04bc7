// The incident of a row that stayed bad: an execution that parks. Settled, the row is watched afresh; retried, it ends well
// if the fix has completed meanwhile, such as after a restart of it.
import { job } from "../../core/define.ts";
import { CatalogError } from "../../core/errors.ts";
import type { AnyJob } from "../../core/job.ts";
import { runOf } from "../context.ts";
import type { GivenUpInput } from "./cases.ts";

export function createGivenUp(name: string): AnyJob {
  return job<GivenUpInput>(
    name,
    { key: (input) => input.case, onFailure: "park", effect: "natural" },
    async (ctx, input) => {
      const { env, claimed } = runOf(ctx);
      const { reads } = env.store;
      const { fix, key, row, error } = input;
      const newest = await reads.findByKey({ namespace: env.namespace, job: fix, key });
      const ended = newest === null ? null : await reads.find(newest.id);
      if (ended?.status === "completed" && (ended.endedAt ?? 0) > claimed.createdAt) return;
      const why =
        error === null ? "its fix completed, but the row did not become good" : `${error.code}: ${error.message}`;
      throw new CatalogError(
        "NOT_MADE_GOOD",
        `row ${row} is still bad after ${fix} was tried until its window closed: ${why}`,
        {
          row,
          fix,
          executionId: newest?.id ?? null,
          error,
        },
      );
    },
  );
}
