/** The part of pg's Pool that is used. */
export interface PgPoolEvents {
  on(event: "error", listener: (error: Error) => void): unknown;
  on(event: "acquire", listener: (client: PgClientEvents) => void): unknown;
}
interface PgClientEvents {
  on(event: "error", listener: (error: Error) => void): unknown;
}

const guarded = new WeakSet<object>();

/**
 * A lost connection is an `error` event of its client, besides what the query under way is told, and without a listener it
 * ends the process (D14). A pool listens to its idle clients and passes the event on; to a client that is checked out
 * nobody listens. So: a listener on the pool, and one on each client, for as long as it lives.
 */
export function listenForLostConnections(pool: PgPoolEvents): void {
  if (guarded.has(pool)) return;
  guarded.add(pool);
  pool.on("error", ignore);
  pool.on("acquire", (client) => {
    if (guarded.has(client)) return;
    guarded.add(client);
    client.on("error", ignore);
  });
}

/** Whoever uses the connection next is told by their query. */
const ignore = (): void => undefined;
