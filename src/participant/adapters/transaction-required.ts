import { CatalogError, describeValue } from "../../core/errors.ts";

/** `expected` names what the client hands to its transactions, such as "a PoolClient between BEGIN and COMMIT". */
export function transactionRequired(expected: string, found: unknown): CatalogError {
  return new CatalogError(
    "TRANSACTION_REQUIRED",
    `Expected ${expected}, found ${typeof found === "string" ? found : describeValue(found)}; a statement there would commit by itself`,
    {},
  );
}
