// Another day, other dice: what a function makes of the clock shows when the clock is another.

/**
 * Runs `body` as if it were `shiftMs` later, and with a `Math.random` that always gives `dice`. For the whole process: run
 * nothing beside it.
 */
export async function atAnotherTime<R>(shiftMs: number, dice: number, body: () => Promise<R>): Promise<R> {
  const { Date: RealDate } = globalThis;
  const { random } = Math;
  globalThis.Date = shifted(RealDate, shiftMs);
  Math.random = () => dice;
  try {
    return await body();
  } finally {
    globalThis.Date = RealDate;
    Math.random = random;
  }
}

function shifted(RealDate: DateConstructor, shiftMs: number): DateConstructor {
  return new Proxy(RealDate, {
    construct: (target, args, newTarget) =>
      Reflect.construct(target, args.length === 0 ? [target.now() + shiftMs] : args, newTarget),
    apply: (target) => new target(target.now() + shiftMs).toString(),
    get: (target, name) => (name === "now" ? () => target.now() + shiftMs : Reflect.get(target, name)),
  });
}
