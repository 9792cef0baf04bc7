// The peers by file, each loaded only when it is measured: their packages are installed apart (`npm ci` in bench/), and
// loading all of them takes longer than a short sample.
import type { Contender } from "../contender.ts";

export interface Peer {
  /** Its file, without `.ts`. */
  readonly id: string;
  /** Throws `ERR_MODULE_NOT_FOUND` where the peers are not installed. */
  readonly load: () => Promise<readonly Contender[]>;
}

export const peers: readonly Peer[] = ["bullmq", "graphile-worker", "dbos", "dbos-4"].map((id) => ({
  id,
  load: () => load(id),
}));

/** The name is put together at run time so that type-checking the runner does not need the peers. */
async function load(id: string): Promise<readonly Contender[]> {
  const { contenders } = (await import(`./${id}.ts`)) as { readonly contenders: readonly Contender[] };
  return contenders;
}
