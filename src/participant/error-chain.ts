const maxCauses = 5;

/** An error and its causes, outermost first: ORMs wrap what the driver threw. */
export function chainOf(error: unknown): readonly unknown[] {
  const chain: unknown[] = [];
  for (let at = error; at !== undefined && at !== null && chain.length <= maxCauses; at = propertyOf(at, "cause"))
    chain.push(at);
  return chain;
}

/** A property of anything at all; undefined where there is none or reading it throws. */
export function propertyOf(value: unknown, key: PropertyKey): unknown {
  if ((typeof value !== "object" && typeof value !== "function") || value === null) return undefined;
  try {
    return Reflect.get(value, key);
  } catch {
    return undefined;
  }
}
