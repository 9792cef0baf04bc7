/** The jobs of the demo, by name. */
export type JobName = "place-order" | "cancel-order";

/** The three participants; each has a database of its own. */
export const databases = ["orders", "stock", "accounts"] as const;
export type Database = (typeof databases)[number];

/**
 * The books: lists to which rows are only ever added, without a unique key on what a row means, so that an effect that
 * happens twice stands there twice. The balance of a subject is the sum of its rows.
 */
export const books = {
  /** +1 for an order created, −1 for one taken back. */
  orders: { database: "orders", table: "order_entries", subject: "customer", amount: "orders" },
  /** Units: negative when taken, positive when given back. */
  stock: { database: "stock", table: "stock_movements", subject: "stock_code", amount: "units" },
  /** Pence: positive when charged, negative when refunded. */
  accounts: { database: "accounts", table: "account_movements", subject: "customer", amount: "pence" },
  points: { database: "accounts", table: "point_awards", subject: "customer", amount: "points" },
} as const satisfies Readonly<Record<string, BookTable>>;
export type Book = keyof typeof books;
export const bookNames = Object.keys(books) as readonly Book[];

export interface BookTable {
  readonly database: Database;
  readonly table: string;
  /** Column: whose balance it changes. */
  readonly subject: string;
  /** Column: by how much. */
  readonly amount: string;
}

/** One row of a book. Job, invoice and step are its business reference: the same three must not stand there twice. */
export interface Movement {
  readonly book: Book;
  readonly job: JobName;
  readonly invoice: string;
  readonly step: string;
  readonly subject: string;
  readonly amount: number;
}

/** What compensation adds: the same with the amount turned around, under a reference of its own. */
export function undoOf(movement: Movement): Movement {
  return { ...movement, step: `undo ${movement.step}`, amount: -movement.amount };
}

export type Reference = string;

export function referenceOf(movement: Pick<Movement, "book" | "job" | "invoice" | "step">): Reference {
  return `${movement.book}/${movement.job}/${movement.invoice}/${movement.step}`;
}
