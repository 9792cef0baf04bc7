// What a stored value is for the compiler: what a replay gives back, not what the step returned.
import type { Stored } from "makegood";
import { same } from "./equal.ts";
import type { OrderRow, StoredOrderRow } from "./world.ts";

// An entity's methods are gone, as after a crash; its fields keep their types.
same<Stored<OrderRow>, StoredOrderRow>(true);
same<Stored<{ a: Date; f(): void; m: Map<string, bigint> }>, { a: Date; m: ReadonlyMap<string, bigint> }>(true);
// A function held in a field is no field; an optional one is dropped too.
same<Stored<{ a: number; f?: () => void }>, { a: number }>(true);

same<Stored<string | null | undefined>, string | null | undefined>(true);
same<Stored<void>, void>(true);
same<Stored<bigint>, bigint>(true);
same<Stored<Date>, Date>(true);
same<Stored<Set<Date>>, ReadonlySet<Date>>(true);
same<Stored<Buffer>, Uint8Array<ArrayBuffer>>(true);
same<Stored<unknown>, unknown>(true);

// Arrays and tuples stay what they are; optional and readonly survive.
same<Stored<OrderRow[]>, StoredOrderRow[]>(true);
same<Stored<readonly [number, OrderRow]>, readonly [number, StoredOrderRow]>(true);
same<Stored<{ readonly a?: string }>, { readonly a?: string }>(true);

// What cannot be stored has no type.
same<Stored<() => void>, never>(true);
same<Stored<symbol>, never>(true);

// Storing what was stored changes nothing.
same<Stored<Stored<OrderRow>>, Stored<OrderRow>>(true);
