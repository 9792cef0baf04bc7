// A client of servers that are called over HTTP: Node's own, with connections kept open. `fetch` takes a good deal more of the
// processor for the same, which on a small machine the measured server would lack.
import { Agent, request } from "node:http";

export interface Answer {
  readonly status: number;
  readonly text: string;
}

const agent = new Agent({ keepAlive: true });

export function post(url: string, body?: unknown): Promise<Answer> {
  const bytes = body === undefined ? undefined : JSON.stringify(body);
  const headers = {
    accept: "application/json",
    ...(bytes === undefined ? {} : { "content-type": "application/json", "content-length": Buffer.byteLength(bytes) }),
  };
  return new Promise((settle, reject) => {
    const call = request(url, { method: "POST", agent, headers }, (response) => {
      let text = "";
      response.setEncoding("utf8");
      response.on("data", (chunk: string) => {
        text += chunk;
      });
      response.on("end", () => settle({ status: response.statusCode ?? 0, text }));
      response.on("error", reject);
    });
    call.on("error", reject);
    call.end(bytes);
  });
}
