// Another process on the same file, for tests that kill, block or outgrow one: node process.ts VERB PATH [ARGUMENT]
import { randomBytes } from "node:crypto";
import { createInterface } from "node:readline";
import { DatabaseSync, StatementSync } from "node:sqlite";
import { uuidV7 } from "../../../core/ids.ts";
import type { NewExecution } from "../../../core/store.ts";
import { sqlite } from "../sqlite.ts";

const say = (text: string): void => void process.stdout.write(`${text}\n`);
const die = (): never => {
  process.kill(process.pid, "SIGKILL");
  return process.exit(1);
};
const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]();

const verbs: Readonly<Record<string, (path: string, argument: string) => Promise<void>>> = {
  /** Opens when told to, so that several do at once. */
  async open(path) {
    say("ready");
    await lines.next();
    const store = sqlite(path);
    await store.open();
    say(store.own.identity);
    await store.close();
  },

  /** Dies by SIGKILL in the middle of the first migration. */
  async "die-migrating"(path, point) {
    const { exec } = DatabaseSync.prototype;
    const { run } = StatementSync.prototype;
    let hasTables = false;
    DatabaseSync.prototype.exec = function (this: DatabaseSync, sql: string) {
      if (!sql.includes("CREATE TABLE makegood_execution")) return exec.call(this, sql);
      if (point === "before its tables") die();
      exec.call(this, sql);
      hasTables = true;
      if (point === "before its row") die();
    };
    StatementSync.prototype.run = function (this: StatementSync, ...values) {
      if (this.sourceSQL === "COMMIT" && hasTables && point === "before its commit") die();
      return run.call(this, ...(values as Parameters<typeof run>));
    };
    await sqlite(path).open();
  },

  /** Keeps the write lock until told to let go. */
  async hold(path) {
    const database = new DatabaseSync(path);
    database.exec("BEGIN IMMEDIATE");
    say("held");
    await lines.next();
    database.exec("COMMIT");
    database.close();
    say("released");
  },

  start: (path, argument) => startMany(path, argument, false),
  "start in a thread": (path, argument) => startMany(path, argument, true),

  /** Writes until the file may not grow any more; tells what it was told, and what it was told when it asked again. */
  async fill(path, namespace) {
    const store = sqlite(path);
    await store.open();
    const acknowledged: string[] = [];
    for (;;) {
      const large = execution(namespace, new Uint8Array(64 * 1_024));
      try {
        await store.executions.commit([large], []);
        acknowledged.push(large.id);
      } catch (error) {
        const again = await store.reads.find(large.id).then((found) => (found === null ? "absent" : "there"), codeOf);
        say(JSON.stringify({ acknowledged, code: codeOf(error), unsure: large.id, again }));
        return;
      }
    }
  },
};

/** Starts executions as fast as it can and names each once it is acknowledged; for ever, or so many. */
async function startMany(path: string, argument: string, thread: boolean): Promise<void> {
  const [namespace = "", count] = argument.split(" ");
  const store = sqlite(path, { thread });
  await store.open();
  for (let i = 0; i < Number(count ?? Number.POSITIVE_INFINITY); i++) {
    const executions = [execution(namespace), execution(namespace)];
    await store.executions.commit(executions, []);
    say(executions.map(({ id }) => id).join(" "));
  }
  await store.close();
}

function execution(namespace: string, input: Uint8Array | null = null): NewExecution {
  const id = uuidV7(Date.now(), randomBytes(10));
  const plain = {
    key: null,
    fingerprint: null,
    replacesRound: null,
    group: null,
    concurrencyKey: null,
    blocking: null,
    timeoutMs: null,
    parent: null,
    traceContext: null,
    claimFor: null,
  };
  return {
    ...plain,
    id,
    root: id,
    namespace,
    input,
    job: "place-order",
    version: 1,
    priority: 0,
    delayMs: 0,
    retainMs: 0,
    keyRetainMs: 0,
    attributes: {},
    actor: { kind: "system", id: "test" },
  };
}

const codeOf = (error: unknown): string => String((error as { code?: unknown }).code);

const [verb = "", path = "", argument = ""] = process.argv.slice(2);
await verbs[verb]?.(path, argument);
process.exit(0);
