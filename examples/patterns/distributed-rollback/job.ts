// Several services, undone in reverse order when one of them fails. What may have happened is undone, too: a step that timed
// out, and one that was under way when the process died. What cannot be undone now is tried again, and in the end a person is
// asked; nothing is forgotten.
import { job } from "makegood";
import * as z from "zod";

const Order = z.object({ id: z.string() });

export interface Service {
  readonly name: string;
  /** One effect per key. */
  do(orderId: string, key: string): Promise<string>;
  /** Undoes what was done under the key, or keeps it from being done later. */
  undo(orderId: string, actionKey: string): Promise<unknown>;
}

export const placeOrder = (services: readonly Service[]) =>
  job("distributed-rollback", { input: Order, key: (order) => order.id }, async (ctx, { id }) => {
    for (const service of services)
      await ctx.step(service.name, {
        run: ({ key }) => service.do(id, key),
        compensate: ({ actionKey }) => service.undo(id, actionKey),
        retry: { maxAttempts: 3, backoff: { initial: "20ms" } },
      });
  });
