// A driver's connection, lent for one transaction. After that it goes back to its pool, and what a body still sends, from a
// promise that nobody awaited, would run outside of any transaction, or inside another's.
import { type Life, lifeKey, lifeOf, refuseIfOver } from "./life.ts";

/** The methods by which a driver's connection sends, or is given back. */
type Methods = ReadonlySet<string | symbol>;

const lenderKey = Symbol("makegood.lender");

/** Of a connection that is lent: the same, but that its methods throw as soon as the life is over. */
class LentHandler<C extends object> implements ProxyHandler<C> {
  readonly life: Life = { isOver: false };
  readonly #methods: Methods;

  constructor(methods: Methods) {
    this.#methods = methods;
  }

  get(connection: C, name: string | symbol): unknown {
    if (name === lifeKey) return this.life;
    if (name === lenderKey) return connection;
    const value: unknown = Reflect.get(connection, name);
    if (!this.#methods.has(name) || typeof value !== "function") return value;
    return (...parameters: unknown[]): unknown => {
      refuseIfOver(this.life);
      return Reflect.apply(value, connection, parameters);
    };
  }
}

/**
 * Hands `use` the same connection, of which those methods throw once `use` has settled. What comes after that, COMMIT or
 * ROLLBACK, is sent over the connection itself.
 */
export async function lend<C extends object, R>(
  connection: C,
  methods: Methods,
  use: (lent: C) => PromiseLike<R>,
): Promise<R> {
  const handler = new LentHandler<C>(methods);
  try {
    return await use(new Proxy(connection, handler));
  } finally {
    handler.life.isOver = true;
  }
}

/** The connection itself, of one that was lent; else what was given. Throws when its transaction has ended. */
export function lenderOf<C extends object>(connection: C): C {
  refuseIfOver(lifeOf(connection));
  return (connection as { readonly [lenderKey]?: C })[lenderKey] ?? connection;
}
