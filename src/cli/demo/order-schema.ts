import type { Schema } from "../../index.ts";
import type { Order, OrderLine } from "./orders.ts";

/** Standard Schema by hand: the package itself depends on no schema library. Yours may be Zod, Valibot, ArkType … */
export const orderSchema: Schema<Order, Order> = {
  "~standard": {
    version: 1,
    vendor: "makegood-demo",
    validate: (value) => (isOrder(value) ? { value } : { issues: [{ message: "expected an order with lines" }] }),
  },
};

function isOrder(value: unknown): value is Order {
  if (typeof value !== "object" || value === null) return false;
  const { invoice, customer, lines } = value as Partial<Record<keyof Order, unknown>>;
  return typeof invoice === "string" && typeof customer === "string" && Array.isArray(lines) && lines.every(isLine);
}

function isLine(value: unknown): value is OrderLine {
  if (typeof value !== "object" || value === null) return false;
  const { number, stockCode, quantity, unitPrice } = value as Partial<Record<keyof OrderLine, unknown>>;
  return (
    Number.isSafeInteger(number) &&
    typeof stockCode === "string" &&
    typeof quantity === "number" &&
    Number.isSafeInteger(quantity) &&
    quantity > 0 &&
    typeof unitPrice === "string"
  );
}
