import { connect, createServer, type Socket } from "node:net";

/** Stands between a client and its server and loses what it is told to lose. */
export interface TcpProxy {
  /** The server's address, by way of the proxy. */
  readonly url: string;
  /** The next COMMIT is lost on its way (`request`), or carried out and only its reply lost. The connection ends in both. */
  loseNextCommit(part: "request" | "reply"): void;
  /** Resets all connections, now. */
  reset(): void;
  /** Refuses new connections, and resets the present ones, until `resume`. */
  stop(): Promise<void>;
  resume(): Promise<void>;
  close(): Promise<void>;
}

/** Told by the address: how COMMIT and its reply look on the wire. */
interface Protocol {
  /** For one connection: whether a chunk from the client asks for COMMIT. */
  readonly commitFinder: () => (chunk: Buffer) => boolean;
  /** Whether a chunk from the server says that COMMIT was carried out. */
  readonly isCommitReply: (chunk: Buffer, hasAsked: boolean) => boolean;
}

export async function startProxy(serverUrl: string): Promise<TcpProxy> {
  const target = new URL(serverUrl);
  const { commitFinder, isCommitReply } = target.protocol === "mysql:" ? mysqlProtocol : postgresProtocol;
  const sockets = new Set<Socket>();
  let losing: "request" | "reply" | null = null;
  const server = createServer((client) => {
    const upstream = connect(Number(target.port), target.hostname);
    const end = (): void => {
      client.resetAndDestroy();
      upstream.destroy();
    };
    const isCommit = commitFinder();
    let hasAsked = false;
    for (const socket of [client, upstream]) {
      sockets.add(socket);
      socket.on("error", () => undefined);
      socket.on("close", () => {
        sockets.delete(socket);
        client.destroy();
        upstream.destroy();
      });
    }
    client.on("data", (chunk) => {
      hasAsked = isCommit(chunk);
      if (!hasAsked || losing !== "request") return void upstream.write(chunk);
      losing = null;
      end();
    });
    upstream.on("data", (chunk) => {
      if (losing !== "reply" || !isCommitReply(chunk, hasAsked)) return void client.write(chunk);
      losing = null;
      end();
    });
  });
  const listen = (port: number): Promise<void> => new Promise((settle) => server.listen(port, "127.0.0.1", settle));
  await listen(0);
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("Expected a TCP address.");
  const reset = (): void => {
    for (const socket of sockets) socket.resetAndDestroy();
  };
  const stop = async (): Promise<void> => {
    if (!server.listening) return;
    const closed = new Promise((settle) => server.close(settle));
    reset();
    await closed;
  };
  const url = new URL(serverUrl);
  url.port = String(address.port);
  return {
    url: url.href,
    loseNextCommit: (part) => {
      losing = part;
    },
    reset,
    stop,
    resume: () => listen(address.port),
    close: stop,
  };
}

/** CommandComplete: type, length, tag. */
const commitDone = Buffer.from("C\0\0\0\x0bCOMMIT\0", "latin1");

/**
 * Tells which chunk asks for a COMMIT: in a simple query, in a statement that is parsed, or in one that was parsed before
 * and is now bound by its name. https://www.postgresql.org/docs/current/protocol-message-formats.html
 */
function postgresCommitFinder(): (chunk: Buffer) => boolean {
  const commitNames = new Set<string>();
  let pending = Buffer.alloc(0);
  let hasStarted = false;
  return (chunk) => {
    let isFound = false;
    pending = Buffer.concat([pending, chunk]);
    for (;;) {
      // The first message of a connection has no type.
      const typeBytes = hasStarted ? 1 : 0;
      if (pending.length < typeBytes + 4) return isFound;
      const end = typeBytes + pending.readInt32BE(typeBytes);
      if (pending.length < end) return isFound;
      const type = hasStarted ? String.fromCharCode(pending[0] ?? 0) : "";
      const [first = "", second = ""] = pending
        .subarray(typeBytes + 4, end)
        .toString("latin1")
        .split("\0");
      if (type === "P" && isCommitText(second)) commitNames.add(first);
      if ((type === "Q" && isCommitText(first)) || (type === "B" && commitNames.has(second))) isFound = true;
      hasStarted = true;
      pending = pending.subarray(end);
    }
  };
}

const isCommitText = (sql: string): boolean => /^\s*commit\s*;?\s*$/i.test(sql);

const postgresProtocol: Protocol = {
  commitFinder: postgresCommitFinder,
  isCommitReply: (chunk) => chunk.includes(commitDone),
};

/** COM_QUERY, perhaps behind other packets: length (3), sequence (1), command (1), text. One statement is under way at a time. */
function asksMysqlToCommit(chunk: Buffer): boolean {
  for (let from = 0; from + 4 < chunk.length; from += 4 + chunk.readUIntLE(from, 3)) {
    const packet = chunk.subarray(from + 4, from + 4 + chunk.readUIntLE(from, 3));
    if (packet[0] === 0x03 && isCommitText(packet.subarray(1).toString("latin1"))) return true;
  }
  return false;
}

const mysqlProtocol: Protocol = {
  commitFinder: () => asksMysqlToCommit,
  isCommitReply: (_chunk, hasAsked) => hasAsked,
};
