// What the type tests share: a user's world, declared and never run. One asynchronous client with a transaction type of its
// own, one synchronous one, an entity with a method, and schemas whose input differs from their output.
import { participant, type Schema, type TxAdapter } from "makegood";

export interface OrderTx {
  insertOrder(order: { readonly id: string }): Promise<OrderRow>;
  cancelOrder(id: string): Promise<void>;
}
/** As an ORM hands it out. */
export declare class OrderRow {
  id: string;
  createdAt: Date;
  total: bigint;
  save(): void;
}
/** What is left of it after a crash. */
export interface StoredOrderRow {
  id: string;
  createdAt: Date;
  total: bigint;
}
export interface FileTx {
  run(sql: string): number;
}
declare const orderAdapter: TxAdapter<OrderTx, "async">;
declare const fileAdapter: TxAdapter<FileTx, "sync">;
export const orders = participant("orders", orderAdapter);
export const ledger = participant("ledger", fileAdapter);

export interface Line {
  code: string;
  units: number;
}
export declare const Order: Schema<{ id: string; at: string; lines: Line[] }, { id: string; at: Date; lines: Line[] }>;
export declare const Id: Schema<{ id: string }, { id: string }>;
export declare const Cents: Schema<string, number>;

interface Options {
  readonly key: string;
  readonly signal?: AbortSignal;
}
export declare const bank: {
  pay(id: string, options: Options): Promise<{ paymentId: string }>;
  refundOf(payKey: string, options: Options): Promise<void>;
  freeze(id: string, key: string): Promise<{ hold: string }>;
  settle(hold: string, key: string): Promise<void>;
  release(freezeKey: string, key: string): Promise<void>;
};
export declare const stock: {
  take(line: Line, key: string): Promise<{ receipt: string }>;
  giveBack(receipt: string, key: string): Promise<void>;
  giveBackIfTaken(actionKey: string, key: string): Promise<void>;
};
