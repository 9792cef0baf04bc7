import { DemoError } from "./demo-error.ts";

/** A number exactly as a decimal text says it: `units / 10 ** scale`. */
export interface Decimal {
  readonly units: bigint;
  readonly scale: number;
}

/** Longer texts are no quantities and no prices; bounded so that a broken file cannot cost time. */
const maxDigits = 30;
const pattern = /^([+-]?)(\d*)(?:\.(\d*))?$/;

/** Null for anything but an optional sign, digits and a decimal point, such as `-12`, `3.75`, `16098.0`. */
export function parseDecimal(text: string): Decimal | null {
  const [, sign, whole = "", fraction = ""] = pattern.exec(text.trim()) ?? [];
  const digits = whole + fraction;
  if (sign === undefined || digits === "" || digits.length > maxDigits) return null;
  return { units: BigInt(`${sign === "-" ? "-" : ""}${digits}`), scale: fraction.length };
}

/** Null unless it is a whole number (`12.0` is one) that JavaScript counts exactly. */
export function parseWhole(text: string): number | null {
  const decimal = parseDecimal(text);
  if (decimal === null) return null;
  const unit = 10n ** BigInt(decimal.scale);
  const whole = Number(decimal.units / unit);
  return decimal.units % unit === 0n && Number.isSafeInteger(whole) ? whole : null;
}

/**
 * What a line costs in whole pence: `quantity × unitPrice`, rounded half up. Exact, since it goes through no float: with
 * floats 1.005 × 100 is 100.49999999999999. Throws DemoError unless both are positive and the amount is countable.
 */
export function linePence(quantity: number, unitPrice: string): number {
  const price = parseDecimal(unitPrice);
  if (price === null || price.units <= 0n || quantity <= 0 || !isCountable(quantity, price))
    throw new DemoError(`Expected a positive quantity and price, found ${quantity} × "${unitPrice}"`);
  return Number(roundedPence(quantity, price));
}

/** Whether JavaScript's integers can hold the pence. */
export function isCountable(quantity: number, price: Decimal): boolean {
  return roundedPence(quantity, price) <= BigInt(Number.MAX_SAFE_INTEGER);
}

function roundedPence(quantity: number, price: Decimal): bigint {
  const pound = 10n ** BigInt(price.scale);
  const pence = BigInt(quantity) * price.units * 100n;
  return (2n * pence + pound) / (2n * pound);
}

/** `1234567` is `12,345.67`. */
export function formatPounds(pence: number): string {
  const sign = pence < 0 ? "−" : "";
  const [whole, rest] = [Math.trunc(Math.abs(pence) / 100), Math.abs(pence) % 100];
  return `${sign}${whole.toLocaleString("en-GB")}.${String(rest).padStart(2, "0")}`;
}
