import type { Script } from "../../core/script.ts";
import type { Guard } from "./guard.ts";
import { wakeParent } from "./messages.ts";
import { handOverSlot } from "./slots.ts";

/** Belongs into every transaction that ends an execution: `guard` is as it was before. */
export function* afterEnd(guard: Guard, now: number): Script<void> {
  if (guard.slot === "held") yield* handOverSlot(guard.id, now);
  yield* wakeParent(guard.parent, now);
}
