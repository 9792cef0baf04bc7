import type { Row } from "./orders.ts";
import { type SeededRandom, seededRandom } from "./seeded-random.ts";

export interface GenerateOptions {
  /** Distinct invoice numbers. Default 600. */
  readonly invoices?: number;
  /** Default 536365, where the real file begins. */
  readonly seed?: number;
}

const firstNumber = 600_001;

/**
 * Rows of the shape of the real file: mostly small orders, one in twenty a cancellation of an earlier order, some orders
 * above the limit of the accounts, some with one stock code twice, some prices of half a penny, and all the kinds of dirt
 * for which an invoice is rejected. The same seed gives the same rows.
 */
export function generateRows(options: GenerateOptions = {}): Row[] {
  const { invoices = 600, seed = 536_365 } = options;
  const random = seededRandom(seed);
  const placed: Row[][] = [];
  const rows: Row[] = [];
  for (let index = 0; index < invoices; index++) {
    const number = String(firstNumber + index);
    const earlier = random.chance(0.05) ? placed[random.between(0, placed.length - 1)] : undefined;
    const invoice = earlier === undefined ? orderRows(number, random) : cancellationRows(`C${number}`, earlier, random);
    if (earlier === undefined) placed.push(invoice);
    rows.push(...(random.chance(0.05) ? soil(invoice, random) : invoice));
  }
  return rows;
}

function orderRows(invoiceNo: string, random: SeededRandom): Row[] {
  const customerId = `${random.between(12_346, 12_500)}.0`;
  const isBig = random.chance(0.02);
  const rows = Array.from({ length: lineCount(random) }, () => ({
    invoiceNo,
    customerId,
    stockCode: `${random.between(20_001, 20_150)}${random.pick(["", "", "", "A", "B"])}`,
    quantity: String(isBig ? random.between(800, 2_000) : random.pick([1, 1, 2, 3, 4, 6, 12, 24])),
    unitPrice: random.pick(["0.29", "0.42", "0.85", "1.25", "1.65", "2.1", "2.55", "3.75", "8.5", "0.035", "12.75"]),
  }));
  const [first] = rows;
  return first !== undefined && random.chance(0.05) ? [...rows, { ...first, quantity: "1" }] : rows;
}

/** As in the real file: mostly one to three lines, a few long ones. */
function lineCount(random: SeededRandom): number {
  return random.chance(0.1) ? random.between(5, 12) : random.pick([1, 1, 1, 2, 2, 3]);
}

/** Some or all lines of an order, with the quantities turned around. */
function cancellationRows(invoiceNo: string, order: readonly Row[], random: SeededRandom): Row[] {
  const lines = order.slice(0, random.between(1, order.length));
  return lines.map((row) => ({ ...row, invoiceNo, quantity: `-${row.quantity}` }));
}

/** One of the rows becomes one for which the invoice is rejected. */
function soil(rows: readonly Row[], random: SeededRandom): Row[] {
  const dirty = random.between(0, rows.length - 1);
  const dirt = random.pick<(row: Row) => Partial<Row>>([
    () => ({ customerId: "" }),
    () => ({ unitPrice: "0.0" }),
    () => ({ unitPrice: "-11062.06" }),
    () => ({ quantity: "0" }),
    (row) => ({ quantity: row.quantity.startsWith("-") ? row.quantity.slice(1) : `-${row.quantity}` }),
  ]);
  return rows.map((row, index) => (index === dirty ? { ...row, ...dirt(row) } : row));
}
