// A TCP proxy before a database server, to lose what the server answers.
import { type AddressInfo, connect, createServer, type Socket } from "node:net";

/** What happens to the next answer of the server's: passed on, cut off with its connection, or swallowed in silence. */
export type Fate = "pass" | "cut" | "swallow";

export interface LossyProxy {
  readonly url: string;
  /** For connections whose client sends something that contains `text` from now on, until `fate` is "pass" again. */
  answer(fate: Fate, text?: string): void;
  /** How many answers were lost. */
  readonly lostCount: number;
  close(): Promise<void>;
}

export async function startProxy(serverUrl: string): Promise<LossyProxy> {
  const target = new URL(serverUrl);
  let [fate, trigger, lostCount]: [Fate, string, number] = ["pass", "", 0];
  const sockets = new Set<Socket>();
  const server = createServer((client) => {
    const upstream = connect(Number(target.port), target.hostname);
    let isTriggered = false;
    for (const socket of [client, upstream]) {
      sockets.add(socket.on("error", () => socket.destroy()).setNoDelay());
      socket.on("close", () => void [client, upstream].map((each) => each.destroy()));
    }
    client.on("data", (data) => {
      isTriggered = fate !== "pass" && (isTriggered || data.includes(trigger));
      upstream.write(data);
    });
    upstream.on("data", (data) => {
      if (!isTriggered || fate === "pass") return void client.write(data);
      lostCount++;
      if (fate === "cut") client.destroy();
    });
  });
  await new Promise<void>((listening) => server.listen(0, "127.0.0.1", listening));
  const url = new URL(serverUrl);
  url.port = String((server.address() as AddressInfo).port);
  return {
    url: url.href,
    answer(next, text = "") {
      [fate, trigger] = [next, text];
    },
    get lostCount() {
      return lostCount;
    },
    close() {
      for (const socket of sockets) socket.destroy();
      return new Promise((closed) => server.close(() => closed()));
    },
  };
}
