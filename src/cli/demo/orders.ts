import { parseCsv } from "../csv.ts";
import { UsageError } from "../usage-error.ts";
import { isCountable, linePence, parseDecimal, parseWhole } from "./money.ts";

/** One line of the file, as text. */
export interface Row {
  readonly invoiceNo: string;
  readonly stockCode: string;
  readonly quantity: string;
  readonly unitPrice: string;
  readonly customerId: string;
}

export interface OrderLine {
  /** Its place in the invoice, from 1. One invoice may hold one stock code twice, so that does not name it. */
  readonly number: number;
  readonly stockCode: string;
  /** Units, always positive: taken by an order, given back by a cancellation. */
  readonly quantity: number;
  /** In pounds, the text of the file. */
  readonly unitPrice: string;
}

export interface Order {
  readonly invoice: string;
  readonly customer: string;
  readonly lines: readonly OrderLine[];
}

/**
 * Why an invoice is rejected: a row has no CustomerID; a UnitPrice of 0 or less; a Quantity that is not positive in an
 * order or not negative in a cancellation; or numbers that cannot be read, or counted in whole pence.
 */
export type Rejection = "no customer" | "no price" | "wrong sign" | "unreadable";

/** What came in. Every invoice is in exactly one of the three lists. */
export interface Intake {
  readonly orders: readonly Order[];
  readonly cancellations: readonly Order[];
  /** With the first reason that was met. */
  readonly rejected: readonly { readonly invoice: string; readonly why: Rejection }[];
}

const columns = {
  invoiceNo: "InvoiceNo",
  stockCode: "StockCode",
  quantity: "Quantity",
  unitPrice: "UnitPrice",
  customerId: "CustomerID",
} as const satisfies Record<keyof Row, string>;

/** Rows of a file in the order of the file. Throws UsageError, naming line or column, if the text is no such file. */
export function readRows(text: string): Row[] {
  const [header, ...records] = parseCsv(text);
  if (header === undefined) throw new UsageError("expected a line with the names of the columns, found an empty file");
  const names = header.fields.map((it) => it.trim());
  const missing = Object.values(columns).filter((it) => !names.includes(it));
  if (missing.length > 0) throw new UsageError(`expected the column ${missing.join(", ")}, found ${names.join(", ")}`);
  const places = Object.entries(columns).map(([field, name]) => [field, names.indexOf(name)] as const);
  return records.map(({ line, fields }) => {
    if (fields.length !== names.length)
      throw new UsageError(`line ${line}: expected ${names.length} fields, found ${fields.length}`);
    const row = Object.fromEntries(places.map(([field, at]) => [field, (fields[at] ?? "").trim()])) as unknown as Row;
    if (row.invoiceNo === "") throw new UsageError(`line ${line}: expected an ${columns.invoiceNo}, found none`);
    return row;
  });
}

/** Rows grouped by invoice, wherever in the file they stand, and sorted into orders, cancellations and rejected ones. */
export function takeIn(rows: readonly Row[]): Intake {
  const orders: Order[] = [];
  const cancellations: Order[] = [];
  const rejected: { readonly invoice: string; readonly why: Rejection }[] = [];
  for (const [invoice, group] of Map.groupBy(rows, (it) => it.invoiceNo)) {
    const why = firstRejection(invoice, group);
    if (why !== undefined) rejected.push({ invoice, why });
    else (isCancellation(invoice) ? cancellations : orders).push(toOrder(invoice, group));
  }
  return { orders, cancellations, rejected };
}

export const isCancellation = (invoice: string): boolean => invoice.startsWith("C");

function firstRejection(invoice: string, rows: readonly Row[]): Rejection | undefined {
  for (const row of rows) {
    const why = rejectionOf(row, isCancellation(invoice) ? -1 : 1);
    if (why !== undefined) return why;
  }
  return undefined;
}

function rejectionOf(row: Row, sign: 1 | -1): Rejection | undefined {
  if (row.customerId === "") return "no customer";
  const price = parseDecimal(row.unitPrice);
  const quantity = parseWhole(row.quantity);
  if (price === null || quantity === null) return "unreadable";
  if (price.units <= 0n) return "no price";
  if (quantity * sign > 0 && !isCountable(Math.abs(quantity), price)) return "unreadable";
  return quantity * sign <= 0 ? "wrong sign" : undefined;
}

function toOrder(invoice: string, rows: readonly Row[]): Order {
  const lines = rows.map((row, index) => ({
    number: index + 1,
    stockCode: row.stockCode,
    quantity: Math.abs(parseWhole(row.quantity) ?? 0),
    unitPrice: row.unitPrice,
  }));
  return { invoice, customer: rows[0]?.customerId ?? "", lines };
}

// ── The rules of the business, as jobs and checks read them ─────────────────────────────────────────────────────────

/** The accounts participant refuses a charge above it for good. */
export const maxChargePence = 100_000;

export const orderUnits = (order: Order): number => order.lines.reduce((sum, it) => sum + it.quantity, 0);

/** Charged for an order, refunded for a cancellation: each line rounded by itself. */
export const orderPence = (order: Order): number =>
  order.lines.reduce((sum, it) => sum + linePence(it.quantity, it.unitPrice), 0);

/** One for each whole pound. */
export const pointsFor = (pence: number): number => Math.floor(pence / 100);
