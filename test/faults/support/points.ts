/** Named places in a process where a test may end it, freeze it, or only count. */
import { writeSync } from "node:fs";
import { Socket } from "node:net";
import type { Mode, TxAdapter } from "../../../src/core/participant.ts";
import type { Store, Write } from "../../../src/core/store.ts";

/** Told the name of each point as the process comes to it. */
export type At = (point: string) => void;

/** A point of one process: the n-th of all, or the k-th of one name. */
export type Spot = { readonly n: number } | { readonly name: string; readonly occurrence: number };

/** Counts points, and does something at one of them. */
export class Points {
  readonly #spot: Spot | null;
  readonly #act: (n: number, name: string) => void;
  readonly #counts = new Map<string, number>();
  /** All so far, in order, with how often each had come by then. */
  readonly seen: { readonly name: string; readonly occurrence: number }[] = [];

  constructor(spot: Spot | null, act: (n: number, name: string) => void) {
    this.#spot = spot;
    this.#act = act;
  }

  readonly at: At = (name) => {
    const occurrence = (this.#counts.get(name) ?? 0) + 1;
    this.#counts.set(name, occurrence);
    const n = this.seen.push({ name, occurrence });
    const spot = this.#spot;
    if (spot === null) return;
    if ("n" in spot ? spot.n === n : spot.name === name && spot.occurrence === occurrence) this.#act(n, name);
  };
}

/** Ends this process by a real SIGKILL, here and now. */
export function die(n: number, name: string): never {
  writeSync(1, `${JSON.stringify({ died: { n, name } })}\n`);
  process.kill(process.pid, "SIGKILL");
  for (;;) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);
}

/** Stops this process by SIGSTOP, here and now. Whoever revives it sends SIGCONT. */
export function freeze(): void {
  writeSync(1, "frozen\n");
  process.kill(process.pid, "SIGSTOP");
  writeSync(1, "revived\n");
}

const rooms = ["executions", "workers", "commands", "reads"] as const;

/** A store that comes to a point before and after every call. */
export function pointedStore(store: Store, at: At): Store {
  const proxies = Object.fromEntries(rooms.map((room) => [room, pointedRoom(room, store[room], at)]));
  return new Proxy(store, {
    get(target, name) {
      if (name in proxies) return proxies[String(name)];
      const value: unknown = Reflect.get(target, name);
      return typeof value === "function" ? value.bind(target) : value;
    },
  });
}

function pointedRoom(room: string, inner: object, at: At): object {
  return new Proxy(inner, {
    get:
      (target, method) =>
      async (...args: unknown[]) => {
        const call = method === "commit" ? commitOf(args) : `${room}.${String(method)}`;
        at(`store: before ${call}`);
        const answer: unknown = await (Reflect.get(target, method) as (...a: unknown[]) => Promise<unknown>).apply(
          target,
          args,
        );
        at(`store: after ${call}`);
        return answer;
      },
  });
}

/** A commit by what it writes, so that one and the same write has the same name in every run. */
function commitOf([starts, writes]: readonly unknown[]): string {
  const parts = (starts as readonly unknown[]).map(() => "start");
  for (const { records = [], attempts = [], transition } of writes as readonly Write[]) {
    parts.push(
      ...records.map((row) => `${row.step} ${row.role}`),
      ...attempts.map((row) => `failed attempt of ${row.step}`),
    );
    if (transition !== undefined) parts.push(transition.name);
  }
  return `commit of ${parts.join(" + ")}`;
}

/** An adapter that comes to a point before and after every transaction and every statement that the engine adds to it. */
export function pointedAdapter<Tx, M extends Mode>(place: string, adapter: TxAdapter<Tx, M>, at: At): TxAdapter<Tx, M> {
  const before = (): void => at(`effect: ${place}: before BEGIN`);
  const after = (): void => at(`effect: ${place}: after COMMIT`);
  const transaction = (body: unknown): unknown => {
    before();
    const done: unknown = adapter.transaction(body as never);
    if (done instanceof Promise) return done.finally(after);
    after();
    return done;
  };
  const query = (tx: Tx, sql: string, parameters: readonly unknown[]): unknown => {
    const rows: unknown = adapter.query(tx, sql, parameters);
    const told = (): void => at(`effect: ${place}: after ${sql.trim().split(/\s+/, 3).join(" ")}`);
    if (rows instanceof Promise) return rows.finally(told);
    told();
    return rows;
  };
  return { ...adapter, transaction, query } as TxAdapter<Tx, M>;
}

/** Comes to a point whenever a statement has been sent to PostgreSQL or MariaDB and nobody has heard its answer yet. */
export function pointedSockets(at: At): void {
  const texts = new WeakMap<Socket, string>();
  // biome-ignore lint/suspicious/noExplicitAny: write has five signatures, and all of them pass through
  const write = Socket.prototype.write as any;
  Socket.prototype.write = function (this: Socket, ...args: unknown[]) {
    const sent: boolean = write.apply(this, args);
    const [message] = args;
    if (!Buffer.isBuffer(message) || this.remotePort === undefined) return sent;
    if (isMariadbQuery(message)) {
      at(`socket: sent ${shortened(message.subarray(5).toString())}`);
      return sent;
    }
    const kind = String.fromCharCode(message[0] ?? 0);
    if (kind === "Q" || kind === "P") texts.set(this, textOf(message, kind));
    // A query is one message; a prepared one is several, of which Sync is the last.
    if (kind === "Q" || message.subarray(-5).equals(sync)) at(`socket: sent ${texts.get(this) ?? "?"}`);
    return sent;
  } as typeof Socket.prototype.write;
}

const sync = Buffer.from([0x53, 0, 0, 0, 4]);

/** The beginning of the statement in a Query or Parse message, enough to tell it from others. */
function textOf(message: Buffer, kind: "Q" | "P"): string {
  const from = kind === "Q" ? 5 : message.indexOf(0, 5) + 1;
  const sql = message.subarray(from, message.indexOf(0, from)).toString();
  return shortened(sql);
}

const shortened = (sql: string): string => sql.replace(/\s+/g, " ").trim().slice(0, 60);

/** One packet: its length in three bytes, its number, which is 0, and COM_QUERY. */
const isMariadbQuery = (message: Buffer): boolean =>
  message.length > 5 && message.readUIntLE(0, 3) === message.length - 4 && message[3] === 0 && message[4] === 3;
