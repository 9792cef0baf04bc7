// A transfer that is reserved first: the sender's money is held, the receiving bank is asked to expect it, and only when both
// have agreed is anything moved. The second transfer is refused by the bank, so the hold is taken back.
//
//     npm install makegood zod && node tcc-transfer.ts
import { DatabaseSync } from "node:sqlite";
import { job, makegood, participant, RefusedError } from "makegood";
import { nodeSqlite, sqlite } from "makegood/sqlite";
import * as z from "zod";

const db = new DatabaseSync("accounts.db", { timeout: 50 });
db.exec(`
  PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;
  CREATE TABLE IF NOT EXISTS accounts (name TEXT PRIMARY KEY, cents INTEGER, held INTEGER DEFAULT 0);
  INSERT OR IGNORE INTO accounts (name, cents) VALUES ('ann', 5000);
`);
const accounts = participant("accounts", nodeSqlite(db));
await accounts.migrate();

/** Somebody else's service. It honors the contract: one effect per key, and the cancel of a key it never saw blocks that key. */
const otherBank = {
  expected: new Map<string, "expected" | "booked" | "canceled">(),
  expect(key: string, iban: string): void {
    if (this.expected.has(key)) return;
    if (!iban.startsWith("DE")) throw new RefusedError(`no account ${iban} here`, { code: "NO_ACCOUNT" });
    this.expected.set(key, "expected");
  },
  book(key: string): void {
    this.expected.set(key, "booked");
  },
  cancel(key: string): void {
    this.expected.set(key, "canceled");
  },
};

const Transfer = z.object({ id: z.string(), from: z.string(), iban: z.string(), cents: z.int().positive() });

const transfer = job("transfer", { input: Transfer, key: (it) => it.id }, async (ctx, { from, iban, cents }) => {
  await ctx.tcc(accounts, "hold", {
    try: (tx) => {
      const { changes } = tx
        .prepare("UPDATE accounts SET held = held + ?1 WHERE name = ?2 AND cents - held >= ?1")
        .run(cents, from);
      if (changes !== 1) throw new RefusedError(`${from} has too little money`, { code: "NO_MONEY" });
    },
    confirm: (tx) =>
      void tx.prepare("UPDATE accounts SET held = held - ?1, cents = cents - ?1 WHERE name = ?2").run(cents, from),
    cancel: (tx) => void tx.prepare("UPDATE accounts SET held = held - ? WHERE name = ?").run(cents, from),
  });
  await ctx.tcc("expect", {
    try: ({ key }) => {
      otherBank.expect(key, iban);
      return key;
    },
    confirm: ({ result }) => otherBank.book(result),
    cancel: ({ actionKey }) => otherBank.cancel(actionKey),
  });
  // Returning is the decision: from here on every branch is confirmed.
});

const app = makegood({ store: sqlite("engine.db"), workerName: "bank-1", participants: [accounts] });
app.register(transfer);
await app.run();
for (const iban of ["DE12", "XX00"]) {
  const execution = await app.start(transfer, { id: `to-${iban}`, from: "ann", iban, cents: 1500 });
  const outcome = await execution.outcome();
  const why = outcome.state === "compensated" ? `: ${outcome.error.code}` : "";
  const ann = db.prepare("SELECT cents, held FROM accounts WHERE name = 'ann'").get();
  console.log(`${iban} ${outcome.state}${why}; ann has ${ann?.["cents"]}, ${ann?.["held"]} of it held`);
}
await app.stop();
