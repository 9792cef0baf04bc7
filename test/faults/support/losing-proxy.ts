/**
 * A TCP proxy before a PostgreSQL or MariaDB server that loses what it is told to lose, statement by statement:
 * a request before it arrives, or the reply to one that was carried out. Formats as in the manual, "Message Formats".
 */
import { type AddressInfo, connect, createServer, type Socket } from "node:net";

/** `hang`: the reply never comes, and the connection stays open. */
export type Loss = "none" | "request" | "reply" | "hang";

export interface LosingProxy {
  /** The address of a database, by way of the proxy. */
  through(url: string): string;
  /** Asked for each statement that is about to be carried out. */
  decide: (sql: string) => Loss;
  /** Ends all connections and refuses new ones, until `resume`. */
  stop(): Promise<void>;
  resume(): Promise<void>;
  close(): Promise<void>;
}

export async function startLosingProxy(serverUrl: string): Promise<LosingProxy> {
  const target = new URL(serverUrl);
  const sockets = new Set<Socket>();
  const server = createServer({ noDelay: true }, (client) => {
    const upstream = connect({ port: Number(target.port), host: target.hostname, noDelay: true });
    const end = (): void => {
      client.resetAndDestroy();
      upstream.destroy();
    };
    for (const socket of [client, upstream]) {
      sockets.add(socket);
      socket.on("error", () => undefined);
      socket.on("close", () => {
        sockets.delete(socket);
        end();
      });
    }
    let loss: Loss = "none";
    const isMariadb = target.protocol === "mysql:";
    const read = (isMariadb ? mariadbReader : frontendReader)((message, statements) => {
      for (const statement of statements) if (loss === "none") loss = proxy.decide(statement);
      if (loss === "request") end();
      else upstream.write(message);
    });
    client.on("data", read);
    upstream.on("data", (data) => {
      if (loss === "none") client.write(data);
      // ReadyForQuery ends the reply: by now the server has done it all. MariaDB answers when it is done.
      else if (loss === "reply" && (isMariadb || data.subarray(-6, -1).equals(readyForQuery))) end();
    });
  });
  const listen = (port: number): Promise<void> => new Promise((resolve) => server.listen(port, "127.0.0.1", resolve));
  await listen(0);
  const { port } = server.address() as AddressInfo;
  const stop = async (): Promise<void> => {
    const closed = new Promise((resolve) => server.close(resolve));
    for (const socket of sockets) socket.resetAndDestroy();
    await closed;
  };
  const proxy: LosingProxy = {
    through(url) {
      const address = new URL(url);
      address.port = String(port);
      return address.href;
    },
    decide: () => "none",
    stop,
    resume: () => listen(port),
    close: stop,
  };
  return proxy;
}

/** Handed what goes to the server in one piece, with the texts of the statements in it. */
type Hear = (message: Buffer, statements: readonly string[]) => void;

const readyForQuery = Buffer.from([0x5a, 0, 0, 0, 5]);

/** Cuts a client's bytes into packets of MySQL's protocol; COM_QUERY comes with the statement's text. */
function mariadbReader(hear: Hear): (data: Buffer) => void {
  const [headerBytes, comQuery] = [4, 3];
  let pending: Buffer = Buffer.alloc(0);
  return (data) => {
    pending = Buffer.concat([pending, data]);
    while (pending.length >= headerBytes && pending.length >= headerBytes + pending.readUIntLE(0, 3)) {
      const end = headerBytes + pending.readUIntLE(0, 3);
      const message = pending.subarray(0, end);
      pending = pending.subarray(end);
      const isQuery = message[3] === 0 && message[headerBytes] === comQuery;
      hear(message, isQuery ? [message.subarray(headerBytes + 1).toString()] : []);
    }
  };
}

const [parse, bind, describe, execute, query, sync] = ["P", "B", "D", "E", "Q", "S"];
/** The server carries these out as they come: one of which the rest is lost would be carried out by halves. */
const heldUntilSync = [parse, bind, describe, execute];

/** Cuts a client's bytes into messages; those up to a Sync are one piece, which may have several statements. */
function frontendReader(hear: Hear): (data: Buffer) => void {
  const prepared = new Map<string, string>();
  let held: Buffer[] = [];
  let statements: string[] = [];
  let pending: Buffer = Buffer.alloc(0);
  let hasStarted = false;
  return (data) => {
    pending = Buffer.concat([pending, data]);
    for (;;) {
      // The first message of a connection has no type.
      const typeBytes = hasStarted ? 1 : 0;
      if (pending.length < typeBytes + 4) return;
      const end = typeBytes + pending.readInt32BE(typeBytes);
      if (pending.length < end) return;
      const message = pending.subarray(0, end);
      pending = pending.subarray(end);
      const type = hasStarted ? String.fromCharCode(message[0] ?? 0) : "";
      hasStarted = true;
      const [first = "", second = ""] = message
        .subarray(typeBytes + 4)
        .toString("latin1")
        .split("\0", 2);
      held.push(message);
      if (type === parse) prepared.set(first, second);
      if (type === bind) statements.push(prepared.get(second) ?? "");
      if (type === query) statements.push(first);
      if (heldUntilSync.includes(type)) continue;
      const isWhole = type === query || type === sync;
      hear(Buffer.concat(held), isWhole ? statements : []);
      held = [];
      if (isWhole) statements = [];
    }
  };
}
