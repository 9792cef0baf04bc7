import { openEmbedded } from "../embedded.ts";
import { Provider } from "../provider.ts";
import { type Mailer, sendNotification } from "./job.ts";
import * as naive from "./naive.ts";

const { db, shop, run, close } = await openEmbedded();
const provider = new Provider();
const mailer: Mailer = { send: async ({ id }, key) => provider.do(key, `mail ${id}`) };
const notice = (id: string) => ({ id, to: "ann@example.com", text: "It is on its way" });

await new Promise<void>((died) => {
  void naive.sendNotification(db, mailer, notice("n-1"), () => new Promise(() => died()));
});
const said = await naive.sendNotification(db, mailer, notice("n-1"));
console.log(`naive: died after its insert; from now on it says "${said}", mails sent: ${provider.calls.length}`);

const sending = sendNotification(shop, mailer);
const app = await run(sending);
provider.trouble("mail n-2", "answer-lost", 1);
for (const execution of await Promise.all([1, 2].map(() => app.start(sending, notice("n-2")))))
  console.log(`makegood: ${await execution.result()}`);
console.log(`makegood: calls: ${provider.calls.length} (an answer was lost), mails: ${provider.effects.size}`);
await close();
