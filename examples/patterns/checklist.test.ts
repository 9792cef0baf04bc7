/** The patterns before their own checklist. What it does not know of them is for their users to declare. */
import { checklist } from "makegood";
import { afterAll, beforeAll, expect, it } from "vitest";
import { refreshCache, setPrice, VersionedCache } from "./cache-refresh/job.ts";
import * as rollback from "./distributed-rollback/job.ts";
import { type Embedded, openEmbedded } from "./embedded.ts";
import { buy } from "./local-transaction/job.ts";
import { orderCompensate } from "./order-compensate/job.ts";
import { orderJobs } from "./order-create/job.ts";
import { deliverOrder } from "./order-deliver/job.ts";
import { takeScan } from "./order-fulfillment/job.ts";
import { deliverPoints, payOrder } from "./order-process/job.ts";
import { refundPayment } from "./payment-refund/job.ts";
import { processOrder } from "./process-order/job.ts";
import * as fallback from "./rollback-with-fallback/job.ts";
import * as saga from "./saga-transaction/job.ts";
import { sendNotification } from "./send-notification/job.ts";
import { sendSms } from "./send-sms/job.ts";
import { syncData } from "./sync-data/job.ts";
import { tccOrder } from "./tcc-order/job.ts";
import { updateOrderStatus, withdraw } from "./update-order-status/job.ts";

/** Nobody is called: the checklist runs no body of a step. */
const nobody = new Proxy({}, { get: () => () => Promise.reject(new Error("called")) }) as never;

let embedded: Embedded;
beforeAll(async () => {
  embedded = await openEmbedded();
});
afterAll(() => embedded.close());

it("have no mistake of a saga, no key that is another in another run, and no retry without a key", async () => {
  const { shop, db } = embedded;
  const jobs = [
    ...[processOrder(shop), sendNotification(shop, nobody), syncData(shop, db, nobody)],
    ...[payOrder(shop), deliverPoints(shop), tccOrder(shop, nobody), ...Object.values(orderCompensate(shop, db))],
    ...[...Object.values(orderJobs(shop, nobody)), refundPayment(shop, nobody), sendSms(shop, nobody)],
    ...[updateOrderStatus(shop), withdraw(shop), deliverOrder(shop, nobody), takeScan(shop), buy(shop)],
    ...[rollback.placeOrder([{ name: "stock", do: nobody, undo: nobody }]), saga.placeOrder(shop, nobody, shop)],
    ...[fallback.placeOrder(shop, db, nobody, nobody), fallback.raiseAlarm(nobody)],
    ...[setPrice(shop), refreshCache(new VersionedCache())],
  ];
  const report = await checklist(jobs);
  const errors = report.jobs.flatMap(({ job, points, level }) =>
    [...points.flatMap(({ findings }) => findings), ...level.findings]
      .filter(({ severity }) => severity === "error")
      .map(({ code, step }) => `${job}: ${code} ${step}`),
  );
  expect(errors).toEqual([]);
  expect(report.jobs.length).toBe(jobs.length);
});
