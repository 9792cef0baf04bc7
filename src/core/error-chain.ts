const maxCauses = 5;

/** An error and its causes, outermost first: ORMs wrap what the driver threw. */
export function chainOf(error: unknown): readonly unknown[] {
  const chain: unknown[] = [];
  for (let at = error; at !== undefined && at !== null && chain.length <= maxCauses; at = causeOf(at)) chain.push(at);
  return chain;
}

/** TypeORM and Sequelize have words of their own for it. */
const causeOf = (error: unknown): unknown =>
  propertyOf(error, "cause") ?? propertyOf(error, "driverError") ?? propertyOf(error, "original");

/** A property of anything at all; undefined where there is none or reading it throws. */
export function propertyOf(value: unknown, key: PropertyKey): unknown {
  if ((typeof value !== "object" && typeof value !== "function") || value === null) return undefined;
  try {
    return Reflect.get(value, key);
  } catch {
    return undefined;
  }
}
