// A driver's connection, lent for one transaction. After that it goes back to its pool, and what a body still sends, from a
// promise that nobody awaited, would run outside of any transaction, or inside another's.
import { type Life, lifeKey, lifeOf, refuseIfOver } from "./life.ts";

export interface Lending {
  /** The methods by which a driver's connection sends, or is given back. */
  readonly methods: ReadonlySet<string | symbol>;
  /** Default: one of its own. */
  readonly life?: Life;
  /** What takes the place of methods. */
  readonly instead?: Readonly<Record<string, (parameters: readonly unknown[]) => unknown>>;
}

const lenderKey = Symbol("makegood.lender");

/** Of a connection that is lent: the same, but that its methods throw as soon as the life is over. */
class LentHandler<C extends object> implements ProxyHandler<C> {
  readonly life: Life;
  readonly #lending: Lending;

  constructor(lending: Lending) {
    this.#lending = lending;
    this.life = lending.life ?? { isOver: false };
  }

  get(connection: C, name: string | symbol): unknown {
    if (name === lifeKey) return this.life;
    if (name === lenderKey) return connection;
    const value: unknown = Reflect.get(connection, name);
    const { methods, instead } = this.#lending;
    if (!methods.has(name) || typeof value !== "function") return value;
    const other = instead?.[name as string];
    return (...parameters: unknown[]): unknown => {
      refuseIfOver(this.life);
      return other === undefined ? Reflect.apply(value, connection, parameters) : other(parameters);
    };
  }
}

/**
 * Hands `use` the same connection, of which those methods throw once `use` has settled. What comes after that, COMMIT or
 * ROLLBACK, is sent over the connection itself.
 */
export async function lend<C extends object, R>(
  connection: C,
  lending: Lending,
  use: (lent: C) => PromiseLike<R>,
): Promise<R> {
  const handler = new LentHandler<C>(lending);
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
