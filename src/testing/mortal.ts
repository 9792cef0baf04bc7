// Death inside one process. A killed process is one whose awaits never settle: what it asked for may have happened, and
// nobody hears of it. So a store whose calls no longer return is, for the engine above it, the end of the process: no
// `catch` and no `finally` runs, no lease is given back, nothing is cleaned up.
import { LeaseLostError } from "../core/errors.ts";
import type { Script } from "../core/script.ts";
import type { Lease, OwnTransactions, Store } from "../core/store.ts";

export interface Mortal {
  /** For `makegood({ store })`. */
  readonly store: Store;
  readonly isDead: boolean;
  /**
   * From now on no call of the store returns. One that is under way has happened, or will not; nobody hears of it. The app on
   * this store is lost: do not `stop()` it, start another one on a store of its own.
   */
  kill(): void;
  /**
   * Set it to be called twice for each call of the store, before it is sent and after it was answered. `point` counts these
   * from 1, `call` names them, such as `before executions.commit`. A `kill()` in here takes effect at this very point: before
   * means that nothing was sent, after that it happened and its answer is lost.
   */
  onPoint: (point: number, call: string) => void;
  /** Closes the real store, also of a dead one: at the end of a test, before its files are removed. */
  close(): Promise<void>;
}

/** The parts of a store that are made of calls; `own` is not, it writes what others call. */
type Room = Exclude<
  {
    [name in keyof Store]: Store[name] extends string | number | ((...args: never) => unknown) ? never : name;
  }[keyof Store],
  "own"
>;
const allRooms: Readonly<Record<Room, true>> = {
  ...{ executions: true, workers: true, commands: true, reads: true, schedules: true, executors: true },
};
const rooms = Object.keys(allRooms) as readonly Room[];

/**
 * Kill a worker inside one process: its store's calls never return.
 *
 * It shows what becomes of a job after a crash between any two steps of the engine; a transaction in the engine's own
 * database is rolled back if its worker dies before the record. What it cannot show: the body of a step that is already
 * running is not interrupted, and a transaction in another database still commits. For those, kill a real process.
 *
 * A second app takes over at once if it has the same `workerName`, otherwise when the lease is over.
 */
export function mortal(store: Store): Mortal {
  let isDead = false;
  let point = 0;
  /** False when the process is dead: then nothing may follow. */
  const reach = (call: string): boolean => {
    if (!isDead) self.onPoint(++point, call);
    return !isDead;
  };
  const mortalRooms = new Map<Room, object>(rooms.map((room) => [room, mortalRoom(store, room, reach)]));
  const self: Mortal = {
    store: new Proxy(store, {
      get(target, name) {
        if (isRoom(name)) return mortalRooms.get(name);
        if (name === "own") return mortalOwn(target, reach);
        if (name === "close") return async () => (isDead ? undefined : target.close());
        if (name === "announce")
          return (...news: Parameters<Store["announce"]>) => (isDead ? undefined : target.announce(...news));
        const value: unknown = Reflect.get(target, name);
        return typeof value === "function" ? value.bind(target) : value;
      },
    }),
    get isDead() {
      return isDead;
    },
    kill() {
      isDead = true;
    },
    onPoint: () => {},
    close: () => store.close(),
  };
  return self;
}

type Reach = (call: string) => boolean;

const isRoom = (name: string | symbol): name is Room => (rooms as readonly (string | symbol)[]).includes(name);
const never = (): Promise<never> => new Promise(() => {});

function mortalRoom(store: Store, room: Room, reach: Reach): object {
  // The store's own room is looked up at each call: some have it only after open().
  return new Proxy(
    {},
    {
      get:
        (_, method) =>
        async (...args: unknown[]) => {
          const name = `${room}.${String(method)}`;
          if (!reach(`before ${name}`)) return never();
          const answer = await settled(store[room], method, args);
          if (!reach(`after ${name}`)) return never();
          if ("error" in answer) throw answer.error;
          return answer.value;
        },
    },
  );
}

async function settled(
  room: object,
  method: string | symbol,
  args: readonly unknown[],
): Promise<{ readonly value: unknown } | { readonly error: unknown }> {
  try {
    const call = Reflect.get(room, method) as (...args: readonly unknown[]) => unknown;
    return { value: await Reflect.apply(call, room, args) };
  } catch (error) {
    return { error };
  }
}

/** A transaction of the dead does not commit: its record is refused, so it is rolled back. */
function mortalOwn(store: Store, reach: Reach): OwnTransactions {
  return new Proxy(store.own, {
    get(target, name) {
      if (name === "recordScript")
        return (...record: Parameters<OwnTransactions["recordScript"]>) =>
          mortalRecord(record[0], target.recordScript(...record), reach);
      const value: unknown = Reflect.get(target, name);
      return typeof value === "function" ? value.bind(target) : value;
    },
  });
}

function* mortalRecord<T>(lease: Lease, record: Script<T>, reach: Reach): Script<T> {
  if (!reach("before own.record")) throw new LeaseLostError(lease.executionId, lease.token);
  const outcome = yield* record;
  if (!reach("after own.record")) throw new LeaseLostError(lease.executionId, lease.token);
  return outcome;
}
