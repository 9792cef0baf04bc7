import { type Life, lifeKey, overError, refuseIfOver } from "./life.ts";

/** The same `TransactionSql`, but dead when its transaction is. */
export function guardTransactionSql<Tx>(sql: Tx, life: Life): Tx {
  if (typeof sql !== "function") return sql;
  return new Proxy(sql, {
    apply(target, self, parameters) {
      refuseIfOver(life);
      return watched(Reflect.apply(target, self, parameters), life);
    },
    get(target, name) {
      if (name === lifeKey) return life;
      const value: unknown = Reflect.get(target, name);
      if (typeof value !== "function") return value;
      if (name === "savepoint") return guardedSavepoint(value, life);
      if (name === "unsafe" || name === "file" || name === "notify") return guardedCall(value, life);
      return value;
    },
  });
}

type Callable = (...parameters: unknown[]) => unknown;

function guardedCall(run: object, life: Life): Callable {
  return (...parameters) => {
    refuseIfOver(life);
    return watched((run as Callable)(...parameters), life);
  };
}

/** Its body gets a `TransactionSql` of its own, over the same connection. */
function guardedSavepoint(savepoint: object, life: Life): Callable {
  const guarded = (it: unknown): unknown =>
    typeof it === "function" ? (sql: unknown) => it(guardTransactionSql(sql, life)) : it;
  return (...parameters) => {
    refuseIfOver(life);
    return (savepoint as Callable)(...parameters.map(guarded));
  };
}

/** postgres.js's Query: a promise that is sent through `handler` when it is first awaited, and told of its end by the others. */
interface Query {
  handler: (query: Query) => void;
  reject: (error: unknown) => void;
}

/**
 * A query may be built long before it is sent, or be built as a part of another and never sent, so it is stopped at its
 * handler. A loss that a statement of the body meets shows first in that statement's rejection, before the body can send
 * the next one; it is heard through `reject`, since attaching a handler to the promise would send the query.
 */
function watched<Q>(built: Q, life: Life): Q {
  if (!isQuery(built)) return built;
  const { handler, reject } = built;
  const send = (query: Query): void => (life.isOver ? query.reject(overError()) : handler(query));
  built.handler = Object.assign(send, handler);
  built.reject = (error) => {
    if (isLoss(error)) life.isOver = true;
    reject(error);
  };
  return built;
}

function isQuery(value: unknown): value is Query {
  const isPromise = value instanceof Promise && "handler" in value && "reject" in value;
  return isPromise && typeof value.handler === "function" && typeof value.reject === "function";
}

/** The socket's errors are like ECONNRESET, those of postgres.js like CONNECTION_CLOSED; no SQLSTATE of the server's is. */
const lossCode = /^(E[A-Z]+$|CONNECT)/;

function isLoss(error: unknown): boolean {
  return error instanceof Error && "code" in error && lossCode.test(String(error.code));
}
