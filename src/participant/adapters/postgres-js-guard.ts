import { StoreUnavailableError } from "../../core/errors.ts";

/** Of one transaction; over as soon as its connection is lost or it has ended. */
export interface Life {
  isOver: boolean;
}

/**
 * The same `TransactionSql`, but dead when its transaction is. A loss that a statement of the body meets shows first in that
 * statement's rejection, so each query's `reject` is listened to: attaching a handler instead would start the query, and
 * queries are also built to be parts of others.
 */
export function guardTransactionSql<Tx>(sql: Tx, life: Life): Tx {
  if (typeof sql !== "function") return sql;
  return new Proxy(sql, {
    apply(target, self, parameters) {
      refuseIfOver(life);
      return watched(Reflect.apply(target, self, parameters), life);
    },
    get(target, name) {
      const value: unknown = Reflect.get(target, name);
      if (typeof value !== "function") return value;
      if (name === "savepoint") return guardedSavepoint(value, life);
      if (name === "unsafe" || name === "file" || name === "notify") return guardedCall(value, life);
      return value;
    },
  });
}

function guardedCall(run: Function, life: Life): Function {
  return (...parameters: unknown[]) => {
    refuseIfOver(life);
    return watched(Reflect.apply(run, undefined, parameters), life);
  };
}

/** Its body gets a `TransactionSql` of its own, over the same connection. */
function guardedSavepoint(savepoint: Function, life: Life): Function {
  return (...parameters: unknown[]) => {
    refuseIfOver(life);
    const guarded = parameters.map((it) => (typeof it === "function" ? (sql: unknown) => it(guardTransactionSql(sql, life)) : it));
    return Reflect.apply(savepoint, undefined, guarded);
  };
}

function refuseIfOver(life: Life): void {
  if (!life.isOver) return;
  throw new StoreUnavailableError("Expected the transaction to be open, found that its connection was lost or that it has ended", {});
}

/** What postgres.js itself reports of a connection, besides the socket's own errors, which have no SQLSTATE either. */
const sqlState = /^[0-9FHPX][0-9A-Z]{4}$/;

function watched<Q>(query: Q, life: Life): Q {
  if (!isQuery(query)) return query;
  const { reject } = query;
  query.reject = (error) => {
    if (isLoss(error)) life.isOver = true;
    reject(error);
  };
  return query;
}

function isQuery(value: unknown): value is { reject: (error: unknown) => void } {
  return value instanceof Promise && "reject" in value && typeof value.reject === "function";
}

function isLoss(error: unknown): boolean {
  if (!(error instanceof Error)) return true;
  const code = "code" in error ? String(error.code) : "";
  return !sqlState.test(code) && (code.startsWith("CONNECT") || code.startsWith("E"));
}
