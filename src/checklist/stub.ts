// A value that nobody knows yet: an input, or what a step would return. It can be read, called, walked through and put into
// a text, and tells where it came from. It is true; whether the path depends on that, nobody can see.

/** Thrown where a run leads nowhere any more, such as a loop whose end depends on a value that is not known. */
export class DryRunStop extends Error {}

const stubs = new WeakMap<object, string>();
const maxReads = 20_000;

export interface StubWorld {
  /** Paths that are null in this run, such as `input.express`. */
  readonly nulls: ReadonlySet<string>;
  /** Told of each path that is read. */
  readonly read: (path: string) => void;
}

/** Where a stub came from, such as `input.id`; undefined for any other value. */
export function pathOf(value: unknown): string | undefined {
  return (typeof value === "object" && value !== null) || typeof value === "function" ? stubs.get(value) : undefined;
}

export function createStub(path: string, world: StubWorld): unknown {
  if (world.nulls.has(path)) return null;
  let reads = 0;
  const member = (name: string): unknown => createStub(`${path}.${name}`, world);
  const text = `‹${path}›`;
  const walk = function* (): Generator {
    yield createStub(`${path}[]`, world);
  };
  const proxy: object = new Proxy(function stub() {} as object, {
    get(_, name) {
      if (++reads > maxReads) throw new DryRunStop(`a loop over ${path} does not end`);
      if (name === Symbol.toPrimitive) return (hint: string) => (hint === "number" ? 1 : text);
      if (name === Symbol.iterator) return walk;
      // A promise would wait for ever.
      if (typeof name === "symbol" || name === "then") return undefined;
      if (name === "toString" || name === "toJSON") return () => text;
      if (name === "length" || name === "size") return 1;
      world.read(`${path}.${name}`);
      return member(name);
    },
    apply: (_, __, args: unknown[]) => callBack(path, args, world),
    has: () => true,
    ownKeys: () => ["prototype"],
  });
  stubs.set(proxy, path);
  return proxy;
}

/** `lines.map((line) => …)`: the function is called once, so that what it does is seen. */
function callBack(path: string, args: readonly unknown[], world: StubWorld): unknown {
  const callback = args.find((arg): arg is (...given: unknown[]) => unknown => isFunction(arg));
  if (callback === undefined) return createStub(`${path}()`, world);
  const element = createStub(`${path.replace(/\.\w+$/, "")}[]`, world);
  const isReduce = /\.reduce(?:Right)?$/.test(path);
  const result = isReduce ? callback(args[1] ?? element, element, 0) : callback(element, 0);
  // Of `forEach(async …)` nobody hears.
  Promise.resolve(result).catch(() => undefined);
  if (isReduce) return result;
  if (/\.(?:map|flatMap)$/.test(path)) return [result].flat();
  return /\.(?:filter|toSorted|sort)$/.test(path) ? [element] : createStub(`${path}()`, world);
}

const isFunction = (value: unknown): boolean => typeof value === "function" && pathOf(value) === undefined;
