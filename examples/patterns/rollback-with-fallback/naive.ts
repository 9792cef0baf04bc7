// Three sinks, three commits.
import type { ShopDb } from "../shop.ts";
import type { Pause } from "../testing/gate.ts";

export interface Sinks {
  readonly task: () => Promise<unknown>;
  readonly alarm: () => Promise<unknown>;
  readonly deadLetter: () => Promise<unknown>;
}

/** `before`: which sink the process dies before. */
export async function handOver(sinks: Sinks, before: { readonly [sink in keyof Sinks]?: Pause } = {}): Promise<void> {
  for (const sink of ["task", "alarm", "deadLetter"] as const) {
    await before[sink]?.();
    await sinks[sink]().catch(() => undefined);
  }
}

export const sinksOn = (db: ShopDb, told: string[], id: string): Sinks => ({
  task: () => db.insertInto("manual_tasks").values({ id, why: "not rolled back" }).execute(),
  alarm: async () => told.push("alarm"),
  deadLetter: async () => told.push("dead letter"),
});
