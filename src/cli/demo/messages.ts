import type { StoreAddress } from "../store-address.ts";
import type { Reference } from "./movements.ts";
import type { BooksPlace } from "./open-books.ts";

/** What the parent tells its worker process, and hears from it. Settings go this way since an address may hold a password. */
export interface WorkerSettings {
  readonly store: StoreAddress;
  readonly books: BooksPlace;
  readonly namespace: string;
  readonly isGuarded: boolean;
  /** Executions at a time. */
  readonly concurrency: number;
  /** How long each movement is made to take, so that kills find work to interrupt; 0 where that is not needed. */
  readonly paceMs: number;
  /** How many crashes without progress an execution may see before it is parked. */
  readonly maxCrashes: number;
}

export type ToWorker = { readonly kind: "begin"; readonly settings: WorkerSettings } | { readonly kind: "stop" };

export type FromWorker =
  | { readonly kind: "working" }
  /** A movement is about to be made, or (unguarded) has just been made. */
  | { readonly kind: "moving"; readonly reference: Reference };
