// A driver's connection, lent for one transaction. After that it goes back to its pool, and what a body still sends, from a
// promise that nobody awaited, would run outside of any transaction, or inside another's.
import { giveLife, type Life, lifeOf, refuseIfOver } from "./life.ts";

const lenders = new WeakMap<object, object>();

/**
 * Hands `use` the same connection, of which those methods throw once `use` has settled. What comes after that, COMMIT or
 * ROLLBACK, is sent over the connection itself.
 */
export async function lend<C extends object, R>(
  connection: C,
  methods: ReadonlySet<string | symbol>,
  use: (lent: C) => PromiseLike<R>,
): Promise<R> {
  const life: Life = { isOver: false };
  const lent = new Proxy(connection, {
    get(target, name) {
      const value: unknown = Reflect.get(target, name);
      if (typeof value !== "function" || !methods.has(name)) return value;
      return (...parameters: unknown[]): unknown => {
        refuseIfOver(life);
        return Reflect.apply(value, target, parameters);
      };
    },
  });
  giveLife(lent, life);
  lenders.set(lent, connection);
  try {
    return await use(lent);
  } finally {
    life.isOver = true;
  }
}

/** The connection itself, of one that was lent; else what was given. Throws when its transaction has ended. */
export function lenderOf<C extends object>(connection: C): C {
  refuseIfOver(lifeOf(connection));
  return (lenders.get(connection) as C | undefined) ?? connection;
}
