// Jobs with which something is wrong, for the command line.
import { job } from "makegood";
import * as z from "zod";

export const send = job("send", { input: z.object({ id: z.string() }), key: ({ id }) => id }, async (ctx, { id }) => {
  if (id !== "A-17") return;
  await ctx.step("text message", { run: async () => {}, irreversible: "it is read" });
});
const nothing = job("nothing", {}, async () => {});

export const jobs = [nothing];
export const checklistSamples = { send: [{ id: "A-17" }] };
