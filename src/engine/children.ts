import type { Ending } from "./engagements.ts";
import type { Run } from "./run.ts";

/** What a parent records of a child. By the key it is found even if another start took the key at the last moment. */
export interface StartedChild {
  readonly id: string;
  readonly isNew: boolean;
  readonly job: string;
  readonly key: string | null;
}

/** How a child stands; undefined when it is gone. */
export async function endingOf(
  run: Run,
  child: StartedChild,
): Promise<{ readonly id: string; readonly ending: Ending | undefined }> {
  const { reads } = run.env.store;
  const ending = (await reads.outcomes([child.id])).get(child.id);
  if (ending !== undefined || child.key === null) return { id: child.id, ending };
  const newest = await reads.findByKey({ namespace: run.env.namespace, job: child.job, key: child.key });
  return newest === null
    ? { id: child.id, ending }
    : { id: newest.id, ending: (await reads.outcomes([newest.id])).get(newest.id) };
}
