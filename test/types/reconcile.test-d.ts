// What the compiler knows of reconcilers: the row is what `find` gives, the input what the fix takes.
import { type App, every, job, reconcile } from "makegood";
import { Id } from "./world.ts";

declare const db: {
  failed(since: Date, after: string | null, limit: number): Promise<{ orderId: string; cents: number }[]>;
};
declare const app: App;
const fix = job("fix", { input: Id }, async () => {});
const common = { schedule: every("5m"), window: "10m", fix } as const;

const sweep = reconcile("sweep", {
  ...common,
  find: ({ since, after, limit }) => db.failed(since, after, limit),
  key: (row) => row.orderId,
  input: (row) => ({ id: row.orderId }),
});
app.register(fix, sweep);
const { started }: { readonly started: number } = await (await app.start(sweep, undefined)).result();
started.toFixed();

const find = () => db.failed(new Date(0), null, 1);
// @ts-expect-error the input is not the fix's
reconcile("sweep", { ...common, find, key: (row) => row.orderId, input: (row) => ({ id: row.cents }) });
// @ts-expect-error a key is a text
reconcile("sweep", { ...common, find, key: (row) => row.cents, input: (row) => ({ id: row.orderId }) });
