// What the compiler knows of handlers under an XXL-JOB admin.
import { type App, job } from "makegood";
import { type XxlApp, type XxlContext, type XxlRun, xxlHandler } from "makegood/xxl-job";
import { same } from "./equal.ts";
import { Order } from "./world.ts";

const place = job("place", { input: Order, key: (order) => order.id }, async () => {});

xxlHandler(place, (run) => {
  same<typeof run, XxlRun>(true);
  return { id: run.param, at: "2026-01-30", lines: [] };
});

// @ts-expect-error the schema's input is wanted, where `at` is a text
xxlHandler(place, () => ({ id: "A-17", at: new Date(), lines: [] }));

// @ts-expect-error a job needs its input
xxlHandler(place);

xxlHandler((run, ctx) => {
  same<typeof run, XxlRun>(true);
  same<typeof ctx, XxlContext>(true);
});

// The engine's app is what the executor asks for.
export const asApp = (app: App): XxlApp => app;
