// Counts the round trips that this process makes to its PostgreSQL, whatever the client, by what it sends: each simple query
// (Q), Sync (S) and Flush (H) asks the server for an answer. https://www.postgresql.org/docs/current/protocol-message-formats.html
//
// Done at the socket, because nothing in the server counts round trips: pg_stat_statements counts statements, of which one trip
// carries several, and its own work would be counted into everybody's figures.
import { Socket } from "node:net";

const asking: ReadonlySet<number> = new Set([..."QSH"].map((letter) => letter.charCodeAt(0)));
const headerBytes = 5;

/** Counts from now on, for the life of the process. Clients write whole messages, so none is looked for across two writes. */
export const countRoundTrips = (port: number): (() => number) => countWrites(port, countAsking);

/**
 * The same for MySQL and MariaDB: each command is a packet with the sequence number 0, in a write of its own; those that go on
 * a large command have higher ones. https://mariadb.com/kb/en/0-packet/
 */
export const countMariadbRoundTrips = (port: number): (() => number) =>
  countWrites(port, (bytes) => Number(bytes.length > mariadbHeaderBytes && bytes[3] === 0));
const mariadbHeaderBytes = 4;

function countWrites(port: number, countIn: (bytes: Uint8Array) => number): () => number {
  let count = 0;
  const write = Socket.prototype.write as (this: Socket, ...args: unknown[]) => boolean;
  const counting = function (this: Socket, ...args: unknown[]): boolean {
    if (this.remotePort === port && args[0] instanceof Uint8Array) count += countIn(args[0]);
    return write.apply(this, args);
  };
  Socket.prototype.write = counting as typeof Socket.prototype.write;
  return () => count;
}

export function countAsking(bytes: Uint8Array): number {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let count = 0;
  for (let at = 0; at + headerBytes <= bytes.length; ) {
    const type = view.getUint8(at);
    // The first message of a connection has no type: its length comes first, of which the first byte is 0.
    if (type === 0) return count;
    if (asking.has(type)) count++;
    at += 1 + view.getUint32(at + 1);
  }
  return count;
}
