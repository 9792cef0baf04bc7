/** A process whose job kills it, unless the code was mended. */
import { job } from "../../../src/core/define.ts";
import { makegood } from "../../../src/makegood.ts";
import { newReceipt } from "./book.ts";
import { buying } from "./plots.ts";
import { openWorld, type Place, warmUp } from "./world.ts";

export interface PoisonArguments {
  readonly place: Place;
  readonly isMended: boolean;
}

const args = JSON.parse(process.argv[2] ?? "null") as PoisonArguments | null;
await (args === null ? warmUp() : live(args));

async function live({ place, isMended }: PoisonArguments): Promise<void> {
  const world = await openWorld(place);
  const request =
    (what: string) =>
    ({ key }: { readonly key: string }) =>
      world.provider.request(key, what, newReceipt("1", what));
  const poison = job("poison", buying, async (ctx) => {
    await ctx.step("first", { run: request("first"), irreversible: "test" });
    await ctx.step("explodes", {
      run: (step) => {
        if (!isMended) process.kill(process.pid, "SIGKILL");
        return request("explodes")(step);
      },
      irreversible: "test",
    });
  });
  const app = makegood({ store: world.store, namespace: place.name, workerName: "one", lease: "30s", poll: "20ms" });
  app.register(poison);
  await app.run();
  const execution = await app.start(poison, "1");
  const { state } = await execution.outcome();
  process.stdout.write(`${JSON.stringify({ id: execution.id, state })}\n`);
  await app.stop();
  process.exit(0);
}
