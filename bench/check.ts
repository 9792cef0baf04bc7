// Checks of results: a sample with a wrong one is no sample.

/** What was done is not what should have been. */
export class WrongResultError extends Error {
  override readonly name = "WrongResultError";
}

export function expectEqual(what: string, found: unknown, expected: unknown): void {
  if (found === expected) return;
  throw new WrongResultError(`Expected ${what} to be ${String(expected)}, found ${String(found)}.`);
}
