// An expense waits for a person, for two days at most. Waiting costs nothing: the execution is a row in the store, and any
// worker may go on with it. Here one is approved, one refused, and one forgotten, after a fifth of a second instead.
//
//     npm install makegood zod && node approval.ts
import { job, makegood, signal } from "makegood";
import { sqlite } from "makegood/sqlite";
import * as z from "zod";

/** `2d` in earnest. */
const patience = "200ms";

const Expense = z.object({ id: z.string(), cents: z.int().positive() });
const Decision = signal("decision", z.object({ by: z.string(), isApproved: z.boolean() }));

const approveExpense = job("approve-expense", { input: Expense, key: (it) => it.id }, async (ctx, expense) => {
  await ctx.step("ask", {
    run: ({ key }) => console.log(`mail: please decide on ${expense.id} (${key.length} characters of key)`),
    irreversible: "a mail cannot be called back",
  });
  const answer = await ctx.waitFor(Decision, { timeout: patience });
  if (answer.kind === "timed-out") return "forgotten";
  const { by, isApproved } = answer.value;
  return isApproved ? `approved by ${by}` : `refused by ${by}`;
});

const app = makegood({ store: sqlite("engine.db"), workerName: "office-1" });
app.register(approveExpense);
await app.run();

const ask = (id: string) => app.start(approveExpense, { id, cents: 4200 });
const [train, hotel, taxi] = [await ask("train"), await ask("hotel"), await ask("taxi")];
// The same signal id is delivered once, however often the button is pressed.
for (let press = 0; press < 3; press++)
  await app.signal(train.id, Decision, { by: "ann", isApproved: true }, { signalId: "form-17" });
await app.signal(hotel.id, Decision, { by: "ann", isApproved: false });

console.log("train:", await train.result());
console.log("hotel:", await hotel.result());
console.log("taxi:", await taxi.result());
await app.stop();
