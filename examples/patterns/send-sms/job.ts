// A marker in Redis that knows three ends: sent, certainly not sent, and unknown. An unknown one is not deleted: the next
// attempt goes out under the same key, which the gateway honors; a certain "no" frees the marker; a crash frees it in time.
// With a gateway that honors no key, say `maxAttempts: 1`: an unknown end then waits for a person, and nobody gets two.
import { type Duration, type IdempotentOptions, idempotent, job } from "makegood";
import * as z from "zod";

const Sms = z.object({ id: z.string(), to: z.string(), text: z.string() });
export type Sms = z.infer<typeof Sms>;

export interface Gateway {
  /** One message per key. Throws RefusedError where it certainly took none. */
  send(sms: Sms, key: string): Promise<string>;
}

interface Settings {
  /** How long a silent sender is waited for. */
  readonly lease?: Duration;
  readonly maxAttempts?: number;
}

/** `on`: `redisMarkers(redis)`; or a participant, where losing a marker in a fail-over is not acceptable. */
export const sendOnce = (on: IdempotentOptions<Sms>["on"], gateway: Gateway, settings: Settings = {}) =>
  idempotent({ on, scope: "sms", key: (sms: Sms) => sms.id, ifBusy: { wait: "60s" }, ...settings }, (sms, run) =>
    gateway.send(sms, run.key),
  );

export const sendSms = (on: IdempotentOptions<Sms>["on"], gateway: Gateway, settings?: Settings) => {
  const send = sendOnce(on, gateway, settings);
  return job("send-sms", { input: Sms, key: (sms) => sms.id }, (ctx, sms) =>
    ctx.step("send", {
      run: () => send(sms),
      effect: "recorded",
      timeout: "2m",
      irreversible: "a message cannot be called back",
    }),
  );
};
