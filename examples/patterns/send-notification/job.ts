// A record for an effect that is somewhere else: no commit can hold both. So the record is held by a lease, and who finds it
// abandoned sends again, under the same key; a mailer that honors the key sends once.
import { type Duration, idempotent, job } from "makegood";
import * as z from "zod";
import type { Shop } from "../shop.ts";

const Notice = z.object({ id: z.string(), to: z.string(), text: z.string() });
export type Notice = z.infer<typeof Notice>;

export interface Mailer {
  /** One mail per key. */
  send(notice: Notice, key: string): Promise<string>;
}

/** For handlers and consumers of yours, too. `lease`: how long a silent one is waited for. */
export const sendOnce = (shop: Shop, mailer: Mailer, lease: Duration = "30s") =>
  idempotent(
    { on: shop, scope: "notification", key: (notice: Notice) => notice.id, lease, ifBusy: { wait: "60s" } },
    (notice, run) => mailer.send(notice, run.key),
  );

export const sendNotification = (shop: Shop, mailer: Mailer, lease?: Duration) => {
  const send = sendOnce(shop, mailer, lease);
  return job("send-notification", { input: Notice, key: (notice) => notice.id }, (ctx, notice) =>
    ctx.step("send", {
      run: () => send(notice),
      effect: "recorded",
      timeout: "2m",
      irreversible: "a mail cannot be called back",
    }),
  );
};
