// From the file to orders with their events.
import { readFileSync } from "node:fs";
import { UsageError } from "./arguments.ts";
import type { OrderEvent } from "./machine.ts";

export interface Order {
  readonly id: string;
  /** In the order in which they are applied. */
  readonly events: readonly OrderEvent[];
}

/** In the order in which events of the same time are applied. */
const timed = {
  create: "order_purchase_timestamp",
  approve: "order_approved_at",
  ship: "order_delivered_carrier_date",
  deliver: "order_delivered_customer_date",
} as const satisfies Partial<Record<OrderEvent, string>>;

/** The event that a status implies, after those with a time. */
const closing: Readonly<Record<string, OrderEvent | null>> = {
  created: null,
  approved: null,
  shipped: null,
  delivered: null,
  canceled: "cancel",
  unavailable: "withdraw",
  processing: "process",
  invoiced: "invoice",
};

/** Throws UsageError, naming the line, for a file that holds anything else. */
export function readOrders(file: string): readonly Order[] {
  const [header = "", ...lines] = textOf(file)
    .replace(/^\ufeff/, "")
    .split(/\r?\n/);
  const place = placesOf(header, file);
  const orders = new Map<string, Order>();
  for (const [at, text] of lines.entries()) {
    if (text === "") continue;
    const where = `${file}, line ${at + 2}`;
    const order = readOrder(fieldsOf(text, where), place, where);
    if (orders.has(order.id)) throw new UsageError(`${where}: expected each order once, found ${order.id} again.`);
    orders.set(order.id, order);
  }
  return [...orders.values()];
}

function textOf(file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch (error) {
    throw new UsageError(`--orders: expected a file that can be read, found: ${(error as Error).message}.`);
  }
}

type Places = (column: string) => number;

function placesOf(header: string, file: string): Places & { readonly count: number } {
  const names = header.split(",").map((name) => name.trim());
  const missing = ["order_id", "order_status", ...Object.values(timed)].filter((name) => !names.includes(name));
  if (missing.length > 0)
    throw new UsageError(`${file}, line 1: expected the column ${missing.join(", ")}, found ${header.slice(0, 200)}`);
  return Object.assign((column: string) => names.indexOf(column), { count: names.length });
}

/** No field of this data set holds a comma or a line end; one in quotes is taken out of them. */
function fieldsOf(line: string, where: string): readonly string[] {
  return line.split(",").map((text) => {
    const [, quoted] = /^"([^"]*)"$/.exec(text.trim()) ?? [];
    if (quoted === undefined && text.includes('"'))
      throw new UsageError(`${where}: expected fields without commas and quotes in them, found ${text.slice(0, 80)}`);
    return (quoted ?? text).trim();
  });
}

function readOrder(fields: readonly string[], place: ReturnType<typeof placesOf>, where: string): Order {
  if (fields.length !== place.count)
    throw new UsageError(`${where}: expected ${place.count} fields, found ${fields.length}.`);
  const field = (column: string): string => fields[place(column)] ?? "";
  const id = field("order_id");
  if (!/^[\w-]{1,64}$/.test(id))
    throw new UsageError(`${where}: expected an order_id of 1 to 64 letters and digits, found ${JSON.stringify(id)}.`);
  const status = field("order_status");
  if (!Object.hasOwn(closing, status))
    throw new UsageError(
      `${where}: expected an order_status of ${Object.keys(closing).join(", ")}, found ${JSON.stringify(status)}.`,
    );
  const events = Object.entries(timed).flatMap(([event, column]) => {
    const text = field(column);
    return text === "" ? [] : [{ event: event as OrderEvent, at: readTime(text, `${where}: ${column}`) }];
  });
  const last = closing[status] ?? null;
  return { id, events: [...inOrder(events), ...(last === null ? [] : [last])] };
}

/** By time, those of one time as listed; `create` first, whatever its time. Sorting keeps what is equal in its place. */
function inOrder(events: readonly { readonly event: OrderEvent; readonly at: number }[]): readonly OrderEvent[] {
  const rank = ({ event, at }: { event: OrderEvent; at: number }): number => (event === "create" ? -Infinity : at);
  return events.toSorted((a, b) => (rank(a) < rank(b) ? -1 : rank(a) > rank(b) ? 1 : 0)).map(({ event }) => event);
}

/** `10/2/2017 9:56`: month, day, year, hour, minute. Epoch ms, as if it were UTC: only their order matters. */
function readTime(text: string, where: string): number {
  const parts = /^(\d{1,2})\/(\d{1,2})\/(\d{4}) (\d{1,2}):(\d{2})$/.exec(text)?.slice(1).map(Number);
  const [month = 0, day = 0, year = 0, hour = 99, minute = 99] = parts ?? [];
  const time = new Date(Date.UTC(year, month - 1, day, hour, minute));
  // A day that a month does not have would become another day.
  const isReal = time.getUTCMonth() === month - 1 && time.getUTCDate() === day && hour < 24 && minute < 60;
  if (parts === undefined || !isReal)
    throw new UsageError(
      `${where}: expected a time such as 10/2/2017 9:56 (month first), found ${JSON.stringify(text)}.`,
    );
  return time.getTime();
}
