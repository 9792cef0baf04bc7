/** Runs one after the other what it is given. */
export type Queue = <R>(run: () => Promise<R>) => Promise<R>;

export function createQueue(): Queue {
  let last: Promise<unknown> = Promise.resolve();
  return (run) => {
    const next = last.then(run);
    last = next.catch(() => undefined);
    return next;
  };
}
