import { randomInt } from "node:crypto";
import { createServer } from "node:net";

// Below the range from which systems take the ports of outgoing connections, so that none of those can sit on the
// port of a server that is being restarted.
const firstPort = 20_000;
const lastPort = 32_000;
const maxTries = 100;

/** A port of 127.0.0.1 on which nobody listens now. Another process may still take it first: try again then. */
export async function findLoopbackPort(): Promise<number> {
  for (let tried = 0; tried < maxTries; tried++) {
    const port = randomInt(firstPort, lastPort);
    if (await isFree(port)) return port;
  }
  throw new Error(`Expected a free loopback port in ${firstPort}–${lastPort}, found none in ${maxTries} tries.`);
}

function isFree(port: number): Promise<boolean> {
  return new Promise((settle) => {
    const server = createServer();
    server.once("error", () => settle(false));
    server.listen(port, "127.0.0.1", () => server.close(() => settle(true)));
  });
}
